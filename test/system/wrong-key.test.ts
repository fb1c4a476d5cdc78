import { randomBytes } from 'node:crypto'
import type { Log } from '../../server/src/observe/log'
import { Formation, transports } from '../support/formation'
import { rejection } from '../support/until'

const lines: string[] = []
const note = (level: string) => (fields: object, message: string) =>
  void lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }

let formation: Formation
beforeAll(async () => {
  formation = await Formation.start({ log })
})
afterAll(() => formation.close())

describe.each(transports)('a node with a wrong payload key, over %s,', (transport) => {
  it('is told so by the receiver, and the mediator notices nothing', async () => {
    const receiver = await formation.join(`receiver-${transport}`, transport)
    const handled = jest.fn()
    receiver.on('*', handled)
    const wrong = `mk1_${randomBytes(32).toString('base64url')}`
    const stranger = await formation.join(`stranger-${transport}`, transport, { keys: wrong })
    const before = formation.started.mediator.relay.counters.snapshot()
    const began = lines.length

    for (let i = 0; i < 3; i++) {
      const error = await rejection(stranger.call(receiver.name, 'read', 'top secret', { timeout: 5_000 }))
      expect(error).toMatchObject({ code: 'UNKNOWN_KEY', outcome: 'not-delivered', hop: 'receiver' })
      expect(error.message).not.toContain(wrong.slice(4))
    }
    const report = await stranger.broadcast('g', 'read', 1, { want: 'acks', timeout: 5_000 })
    expect(report.ok).toEqual([])
    expect(report.failed.find(({ name }) => name === receiver.name)?.error.code).toBe('UNKNOWN_KEY')

    expect(handled).not.toHaveBeenCalled()
    expect(receiver.connected && stranger.connected).toBe(true)
    const after = formation.started.mediator.relay.counters.snapshot()
    expect(Object.keys(after)).toEqual(['DELIVERED'])
    expect(after.DELIVERED!.frames).toBeGreaterThan(before.DELIVERED?.frames ?? 0)
    // It saw frames like any other: nothing was said about them.
    expect(lines.slice(began)).toEqual([])

    // With the right key the same node is understood, on the same link.
    receiver.on('ask', () => 'understood')
    stranger.updateKeys({ default: formation.key })
    expect(await stranger.call(receiver.name, 'ask')).toBe('understood')
  })
})
