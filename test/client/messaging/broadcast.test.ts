import { type FrameType, FrameType as Type } from '@sealway/protocol'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  alice = await net.join('alice')
})
afterEach(() => net.close())

const typeOf = (frame: Uint8Array) => frame[4] as FrameType

describe('broadcast', () => {
  it('reaches every other member, and reports whom', async () => {
    const got: string[] = []
    for (const name of ['bob', 'carol', 'dave']) {
      ;(await net.join(name)).on('flush', ({ body }, { from, to }) => void got.push(`${name} ${body} ${from} ${to}`))
    }
    alice.on('flush', () => void got.push('alice'))
    await net.join('eve', { groups: ['h'] })
    const report = await alice.broadcast('g', 'flush', 'now')
    expect([...report.targets].sort()).toEqual(['bob', 'carol', 'dave'])
    expect(report).toMatchObject({ ok: [], failed: [], missing: [] })
    await until(() => got.length === 3, 'all of them')
    await turns()
    expect(got.sort()).toEqual(['bob', 'carol', 'dave'].map((name) => `${name} now alice group:g`))
  })

  it.each(['g', 'group:g'])('takes the group as %s', async (group) => {
    const bob = await net.join('bob')
    bob.on('flush', () => {})
    expect((await alice.broadcast(group, 'flush')).targets).toEqual(['bob'])
  })

  it('with want acks tells whose handler ran, who failed and why, and who is missing', async () => {
    ;(await net.join('bob')).on('flush', async () => 'an answer that nobody asked for')
    ;(await net.join('carol')).on('flush', (_command, ctx) => {
      throw ctx.fail('DISK_FULL', { free: 0 })
    })
    ;(await net.join('dave')).on('flush', () => {
      throw new Error('boom')
    })
    await net.join('erin')
    ;(await net.join('frank')).on('flush', () => new Promise(() => {}))
    const pending = alice.broadcast('g', 'flush', {}, { want: 'acks', timeout: 500 })
    await turns()
    await time.advance(1_500)
    const report = await pending
    expect([...report.targets].sort()).toEqual(['bob', 'carol', 'dave', 'erin', 'frank'])
    expect(report.ok).toEqual(['bob'])
    expect(report.missing).toEqual(['frank'])
    expect(report.replies.size).toBe(0)
    const failed = new Map(report.failed.map(({ name, error }) => [name, error]))
    expect([...failed.keys()].sort()).toEqual(['carol', 'dave'])
    expect(report.unhandled).toEqual(['erin'])
    expect(failed.get('carol')).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'DISK_FULL', data: { free: 0 } },
    })
    expect(failed.get('dave')).toMatchObject({ code: 'EXCEPTION' })
  })

  it('with want replies gives what each of them answered', async () => {
    for (const [name, answer] of [
      ['bob', { price: 3 }],
      ['carol', undefined],
      ['dave', Buffer.from('x')],
    ] as const) {
      ;(await net.join(name)).on('bid', () => answer)
    }
    const { replies, ok } = await alice.broadcast('g', 'bid', {}, { want: 'replies' })
    expect([...ok].sort()).toEqual(['bob', 'carol', 'dave'])
    expect(replies).toEqual(
      new Map<string, unknown>([
        ['bob', { price: 3 }],
        ['carol', undefined],
        ['dave', Buffer.from('x')],
      ]),
    )
  })

  it.each(['report', 'acks', 'replies'] as const)(
    'resolves at once with nobody, where nobody else is there (%s)',
    async (want) => {
      expect(await alice.broadcast('g', 'flush', {}, { want })).toMatchObject({
        targets: [],
        ok: [],
        failed: [],
        missing: [],
      })
    },
  )

  it.each([100, 33_000, 70_000, 900_000])('reports and is acknowledged whatever its size: %i bytes', async (bytes) => {
    const sizes: number[] = []
    for (const name of ['bob', 'carol']) {
      ;(await net.join(name)).on('flush', ({ body }) => void sizes.push((body as Buffer).length))
    }
    expect((await alice.broadcast('g', 'flush', Buffer.alloc(bytes))).targets).toHaveLength(2)
    expect((await alice.broadcast('g', 'flush', Buffer.alloc(bytes), { want: 'acks' })).ok).toHaveLength(2)
    expect(sizes).toEqual([bytes, bytes, bytes, bytes])
  })

  it('is one frame from the sender, however many receive it', async () => {
    for (const name of ['bob', 'carol', 'dave']) (await net.join(name)).on('flush', () => {})
    await alice.broadcast('g', 'flush')
    let sent = 0
    net.tamper = (frame, direction, node) => {
      if (node === 'alice' && direction === 'up' && typeOf(frame) === Type.send) sent++
      return [frame]
    }
    await alice.broadcast('g', 'flush', 'once', { want: 'acks' })
    expect(sent).toBe(1)
  })

  it('keeps its order at every member', async () => {
    const got = new Map<string, unknown[]>()
    for (const name of ['bob', 'carol']) {
      const mine: unknown[] = []
      got.set(name, mine)
      ;(await net.join(name)).on('n', ({ body }) => void mine.push(body))
    }
    for (let i = 0; i < 300; i++) void alice.broadcast('g', 'n', i)
    await until(() => [...got.values()].every((mine) => mine.length === 300), 'all arrive')
    const inOrder = Array.from({ length: 300 }, (_, i) => i)
    expect([...got.values()]).toEqual([inOrder, inOrder])
  })

  it('raises no gap at a member that came later', async () => {
    const bob = await net.join('bob')
    bob.on('n', () => {})
    for (let i = 0; i < 5; i++) await alice.broadcast('g', 'n', i, { want: 'acks' })
    const carol = await net.join('carol')
    const gaps: unknown[] = []
    const got: unknown[] = []
    carol.events.on('gap', (event) => gaps.push(event))
    carol.on('n', ({ body }) => void got.push(body))
    await alice.broadcast('g', 'n', 5, { want: 'acks' })
    expect(got).toEqual([5])
    expect(gaps).toEqual([])
  })

  it('rejects with FORBIDDEN where the node is not in the group', async () => {
    await net.join('bob', { groups: ['h'] })
    expect(await rejection(alice.broadcast('h', 'flush'))).toMatchObject({
      code: 'FORBIDDEN',
      outcome: 'not-delivered',
    })
  })

  it.each(['', 'Not A Group', 'any:g', 'node:bob'])('refuses the group %p', async (group) => {
    expect(await rejection(alice.broadcast(group, 'flush'))).toMatchObject({ code: 'INVALID_NAME' })
  })

  it('rejects with TIMEOUT, not delivered, where it never left', async () => {
    net.kill()
    await turns()
    const failed = rejection(alice.broadcast('g', 'flush', {}, { timeout: 50 }))
    await time.advance(60)
    expect(await failed).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered' })
  })

  it('rejects with ABORTED when its signal fires', async () => {
    ;(await net.join('bob')).on('flush', () => new Promise(() => {}))
    const giveUp = new AbortController()
    const failed = rejection(alice.broadcast('g', 'flush', {}, { want: 'acks', signal: giveUp.signal }))
    await turns()
    giveUp.abort()
    expect((await failed).code).toBe('ABORTED')
  })

  it('rejects with LINK_LOST where the link breaks while it waits', async () => {
    ;(await net.join('bob')).on('flush', () => new Promise(() => {}))
    const failed = rejection(alice.broadcast('g', 'flush', {}, { want: 'acks' }))
    await turns()
    net.cut('alice')
    expect(await failed).toMatchObject({ code: 'LINK_LOST', outcome: 'unknown' })
  })

  it('counts no second answer of a member', async () => {
    const bob = await net.join('bob')
    bob.on('flush', () => {})
    ;(await net.join('carol')).on('flush', () => new Promise(() => {}))
    let duplicate = true
    net.tamper = (frame, direction, node) => {
      if (!duplicate || node !== 'bob' || direction !== 'up' || typeOf(frame) !== Type.send) return [frame]
      duplicate = false
      return [frame, frame]
    }
    const pending = alice.broadcast('g', 'flush', {}, { want: 'acks', timeout: 200 })
    await turns()
    await time.advance(1_500)
    expect(await pending).toMatchObject({ ok: ['bob'], missing: ['carol'] })
  })

  it("carries a group's messages under the keys of the group", async () => {
    const keys = { default: net.key, groups: { vault: net.newKey() } }
    const [vera, victor] = await Promise.all([
      net.join('vera', { groups: ['vault'], keys }),
      net.join('victor', { groups: ['vault'], keys }),
    ])
    const outsider = await net.join('olga', { groups: ['vault'] })
    const got: string[] = []
    victor.on('secret', ({ body }) => void got.push(`victor ${body}`))
    outsider.on('secret', ({ body }) => void got.push(`olga ${body}`))
    const refused: unknown[] = []
    outsider.events.on('refused', (event) => refused.push(event))
    const pending = vera.broadcast('vault', 'secret', 42, { want: 'acks', timeout: 100 })
    await turns()
    await time.advance(1_500)
    const { ok, failed, missing } = await pending
    expect({ ok, missing }).toEqual({ ok: ['victor'], missing: [] })
    expect(failed).toEqual([
      { name: 'olga', error: expect.objectContaining({ code: 'UNKNOWN_KEY', outcome: 'not-delivered' }) },
    ])
    expect(got).toEqual(['victor 42'])
    expect(refused).toEqual([{ from: 'vera', code: 'UNKNOWN_KEY' }])
  })
})
