import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let time: VirtualTime
let net: Net
let alice: Node
/** It has 32 places for handlers: 16 of them are the most that one action takes. */
let bob: Node
let overdue: { action: string; from: string; afterMs: number }[]
let warnings: { action?: string; times?: number }[]

beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  overdue = []
  warnings = []
  const quiet = { debug() {}, info() {}, error() {} }
  const logger = { ...quiet, warn: (fields: object) => void warnings.push(fields) }
  ;[alice, bob] = await Promise.all([
    net.join('alice'),
    net.join('bob', { limits: { maxRunningHandlers: 32 }, logger }),
  ])
  bob.events.on('overdue', (event) => overdue.push(event))
  bob.on('quick', async () => 'quick')
})
afterEach(() => net.close())

const never = () => new Promise<never>(() => {})
const codes = async (calls: Promise<unknown>[]) =>
  (await Promise.all(calls.map((call) => rejection(call as Promise<never>)))).map(({ code }) => code)

describe('a handler that never settles', () => {
  it('gives back its place a second after its caller stopped waiting, and the action is served again', async () => {
    bob.on('stuck', never)
    const calls = Array.from({ length: 16 }, () => alice.call('bob', 'stuck', 0, { timeout: 5_000 }))
    const ended = codes(calls)
    await turns()
    await time.advance(6_000)
    expect(await ended).toEqual(Array(16).fill('TIMEOUT'))
    bob.replace('stuck', async () => 'served')
    expect(await alice.call('bob', 'stuck')).toBe('served')
  })

  it('does not keep other actions from being served, however often it is called', async () => {
    bob.on('stuck', never)
    const calls = Array.from({ length: 200 }, () => alice.call('bob', 'stuck', 0, { timeout: 5_000 }))
    const ended = codes(calls)
    await turns()
    expect(await alice.call('bob', 'quick')).toBe('quick')
    await time.advance(6_000)
    await ended
  })

  it('is told as overdue each time, and logged once a minute with how often it happened', async () => {
    bob.on('stuck', never)
    const calls = Array.from({ length: 3 }, () => alice.call('bob', 'stuck', 0, { timeout: 5_000 }))
    const ended = codes(calls)
    await turns()
    await time.advance(6_100)
    await ended
    expect(overdue).toEqual(Array(3).fill({ action: 'stuck', from: 'alice', afterMs: 6_000 }))
    expect(warnings.filter(({ action }) => action === 'stuck')).toMatchObject([{ times: 1 }])
    const later = codes([alice.call('bob', 'stuck', 0, { timeout: 60_000 })])
    await turns()
    await time.advance(61_100)
    await later
    expect(warnings.filter(({ action }) => action === 'stuck')).toMatchObject([{ times: 1 }, { times: 3 }])
  })

  it('gives back its place when the caller withdraws its call, or disconnects', async () => {
    const carol = await net.join('carol')
    bob.on('stuck', never)
    const controller = new AbortController()
    const calls = [
      ...Array.from({ length: 8 }, () => alice.call('bob', 'stuck', 0, { signal: controller.signal })),
      ...Array.from({ length: 8 }, () => carol.call('bob', 'stuck', 0)),
    ]
    const ended = codes(calls)
    await turns()
    controller.abort()
    await carol.close()
    await ended
    await time.advance(1_100)
    expect(overdue).toHaveLength(16)
    bob.replace('stuck', async () => 'served')
    expect(await alice.call('bob', 'stuck')).toBe('served')
  })

  it('gives back its place when the stream it was to answer is given up', async () => {
    bob.on('stuck', never)
    const streams = Array.from({ length: 16 }, () => alice.stream('bob', 'stuck', 0, { timeout: 1_000 }))
    const ended = codes(streams.map((stream) => stream.next()))
    await turns()
    await time.advance(2_500)
    await ended
    bob.replace('stuck', async () => 'served')
    expect(await alice.call('bob', 'stuck')).toBe('served')
  })

  it('does not hold up a drain once its caller has stopped waiting', async () => {
    bob.on('stuck', never)
    const ended = codes([alice.call('bob', 'stuck', 0, { timeout: 2_000 })])
    await turns()
    let drained = false
    const drain = bob.drain().then(() => {
      drained = true
    })
    await time.advance(3_200)
    expect(drained).toBe(true)
    await Promise.all([ended, drain])
  })

  it('keeps its place in the order of concurrency: 1, where later calls are BUSY once waiting is of no use', async () => {
    let begun = 0
    bob.on('charge', { concurrency: 1 }, () => {
      begun++
      return never()
    })
    const first = codes([alice.call('bob', 'charge', 1, { timeout: 5_000 })])
    await turns()
    await time.advance(6_500)
    expect(await rejection(alice.call('bob', 'charge', 2, { timeout: 5_000 }))).toMatchObject({
      code: 'BUSY',
      outcome: 'not-delivered',
    })
    expect([await first, begun]).toEqual([['TIMEOUT'], 1])
    await time.advance(900_000)
    const last = codes([alice.call('bob', 'charge', 3, { timeout: 5_000 })])
    await turns()
    expect(begun).toBe(2)
    await time.advance(5_000)
    await last
  })
})

describe('a handler that ends after its caller stopped waiting', () => {
  it('is not reported when it ends within a second', async () => {
    bob.on('slow', (_command, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)))
    const ended = codes([alice.call('bob', 'slow', 0, { timeout: 1_000 })])
    await time.advance(10_000)
    expect([await ended, overdue]).toEqual([['TIMEOUT'], []])
  })

  it('gives back its place once only', async () => {
    const ends: (() => void)[] = []
    bob.on('late', () => new Promise<void>((resolve) => ends.push(resolve)))
    const ended = codes(Array.from({ length: 16 }, () => alice.call('bob', 'late', 0, { timeout: 1_000 })))
    await turns()
    await time.advance(2_500)
    await ended
    for (const end of ends.splice(0)) end()
    await turns()
    const more = Array.from({ length: 20 }, () => alice.call('bob', 'late', 0, { timeout: 1_000 }))
    await turns()
    expect(ends).toHaveLength(16)
    const settled = Promise.allSettled(more)
    for (let i = 0; i < 2; i++) {
      for (const end of ends.splice(0)) end()
      await turns()
    }
    expect((await settled).every(({ status }) => status === 'fulfilled')).toBe(true)
  })
})

describe('a call for which no place is free', () => {
  it('is BUSY at once when no handler of its action has ended for longer than it would wait', async () => {
    bob.on('stuck', never)
    const ended = codes(Array.from({ length: 16 }, () => alice.call('bob', 'stuck', 0, { timeout: 30_000 })))
    await turns()
    await time.advance(2_000)
    expect(await rejection(alice.call('bob', 'stuck', 0, { timeout: 1_500 }))).toMatchObject({
      code: 'BUSY',
      outcome: 'not-delivered',
      hop: 'receiver',
    })
    const patient = codes([alice.call('bob', 'stuck', 0, { timeout: 20_000 })])
    await time.advance(30_000)
    expect(await patient).toEqual(['TIMEOUT'])
    await ended
  })

  it('is served when a handler of another action ends, where only the places of the node were taken', async () => {
    const ends: (() => void)[] = []
    const held = () => new Promise<void>((resolve) => ends.push(resolve))
    bob.on('a', held)
    bob.on('b', held)
    const busy = [...'ab'].flatMap((action) => Array.from({ length: 16 }, () => alice.call('bob', action)))
    await until(() => ends.length === 32, 'all places are taken')
    // Waits for a place of its action first, and then for one of the node.
    const waiting = alice.call('bob', 'a')
    const quick = alice.call('bob', 'quick')
    await turns()
    ends[31]!()
    expect(await quick).toBe('quick')
    ends[0]!()
    await until(() => ends.length === 33, 'the one that waited begins')
    for (const end of ends) end()
    await Promise.all([...busy, waiting])
  })
})

describe('a handler that nobody waits for and that never settles', () => {
  it('is reported after 30 s, and holds up its sender for 15 minutes, but no other', async () => {
    const carol = await net.join('carol')
    const got: unknown[] = []
    bob.on('stuck', ({ body }) => {
      got.push(body)
      return never()
    })
    bob.on('note', ({ body }) => void got.push(body))
    await alice.send('bob', 'stuck', 'first')
    await alice.send('bob', 'note', 'second')
    await carol.send('bob', 'note', 'of carol')
    await turns()
    await time.advance(30_000)
    expect(overdue).toEqual([{ action: 'stuck', from: 'alice', afterMs: 30_000 }])
    expect(got).toEqual(['first', 'of carol'])
    await time.advance(870_000)
    expect(got).toEqual(['first', 'of carol', 'second'])
  })
})
