import { encodeFrame, FrameType, minSealedBytes, offset, writeU32 } from '@sealway/protocol'
import type { FrameFilter } from '../../../server/src/live/events'
import { Listing, maxListed } from '../../../server/src/live/listing'
import { maxEdges, maxSenders, Traffic } from '../../../server/src/live/traffic'
import type { Route } from '../../../server/src/session/route'
import type { Session } from '../../../server/src/session/session'

/** A sealed frame by its key, as a run of `frames`. */
function run(frames = 1, kid = 0x0badcafe): Uint8Array {
  const sealed = new Uint8Array(minSealedBytes)
  writeU32(sealed, offset.kid, kid)
  return Buffer.concat(Array.from({ length: frames }, () => encodeFrame(FrameType.deliver, 7, sealed)))
}

function setup(filter?: FrameFilter) {
  const time = { now: 1_000, mono: 50 }
  const waiting: (() => void)[] = []
  const traffic = new Traffic({ now: () => time.now, monotonic: () => time.mono })
  traffic.watchEdges(true)
  const listing = new Listing(filter ?? {})
  if (filter) traffic.listings = [listing]
  const session = (name: string, groups: readonly string[] = []): Session =>
    ({
      member: { name, groups },
      outbox: { whenWritten: (done: () => void) => waiting.push(done) },
    }) as unknown as Session
  const to = (sender: Session, name: string): Route =>
    ({ sender, to: name, address: { type: 'node', name } }) as unknown as Route
  const toAny = (sender: Session, group: string): Route =>
    ({ sender, to: `any:${group}`, address: { type: 'any', group } }) as unknown as Route
  /** All that waits is written now. */
  const write = (): void => {
    for (const done of waiting.splice(0)) done()
  }
  return { time, traffic, listing, session, to, toAny, write, waiting }
}

describe('traffic', () => {
  it('is told as rates by sender and taker, with times, and forgotten after ten quiet seconds', () => {
    const { time, traffic, session, toAny, write } = setup()
    const [a, b] = [session('a'), session('b')]
    traffic.handed(toAny(a, 'g'), b, run(4), 4)
    time.mono += 2
    write()
    time.mono += 1_998
    const bytes = run(4).length / 2
    expect(traffic.readEdges()).toEqual([
      { from: 'a', to: 'b', framesPerSecond: 2, bytesPerSecond: bytes, errorsPerSecond: 0, p50Ms: 2, p95Ms: 2 },
    ])
    time.mono += 1_000
    expect(traffic.readEdges()[0]).toMatchObject({ framesPerSecond: 0, p50Ms: 2 })
    time.mono += 10_001
    expect(traffic.readEdges()).toEqual([])
  })

  it('has no times where nothing was measured', () => {
    const { time, traffic, session, to } = setup()
    traffic.handed(to(session('a'), 'b'), session('b'), run(), 1)
    time.mono += 1_000
    expect(traffic.readEdges()).toMatchObject([{ framesPerSecond: 1, p50Ms: null, p95Ms: null }])
  })

  it('is measured three times in a quarter of a second, however much there is', () => {
    const { traffic, session, to, waiting } = setup()
    const [a, b] = [session('a'), session('b')]
    const route = to(a, 'b')
    for (let i = 0; i < 100; i++) traffic.handed(route, b, run(), 1)
    expect(waiting).toHaveLength(3)
    traffic.tick()
    for (let i = 0; i < 100; i++) traffic.handed(route, b, run(), 1)
    expect(waiting).toHaveLength(6)
  })

  it('counts what was refused, for its sender and for the node that was meant', () => {
    const { time, traffic, session, to, toAny } = setup()
    const a = session('a')
    traffic.refused(to(a, 'b'), undefined, 'OFFLINE', run(2), 2)
    traffic.refused(toAny(a, 'g'), undefined, 'BUSY', run(), 1)
    time.mono += 1_000
    expect(traffic.readEdges()).toMatchObject([
      { from: 'a', to: 'b', framesPerSecond: 0, errorsPerSecond: 2 },
      { from: 'a', to: 'any:g', framesPerSecond: 0, errorsPerSecond: 1 },
    ])
    expect(traffic.of('a')).toMatchObject({
      frames: 3,
      errors: 3,
      lastErrors: [
        { at: 1_000, to: 'any:g', code: 'BUSY' },
        { at: 1_000, to: 'b', code: 'OFFLINE' },
      ],
    })
    for (let i = 0; i < 20; i++) traffic.refused(to(a, 'b'), undefined, 'OFFLINE', run(), 1)
    expect(traffic.of('a')!.lastErrors).toHaveLength(8)
  })

  it('shows the keys of a sender, newest first, at most four', () => {
    const { traffic, session, to } = setup()
    const [a, b] = [session('a'), session('b')]
    for (const kid of [1, 2, 1, 3, 4, 0xfffffffe]) traffic.handed(to(a, 'b'), b, run(1, kid), 1)
    expect(traffic.of('a')!.keyIds).toEqual(['fffffffe', '00000004', '00000003', '00000001'])
  })

  it('keeps two thousand edges, and takes others when these are quiet', () => {
    const { time, traffic, session, to } = setup()
    const a = session('a')
    for (let i = 0; i <= maxEdges; i++) traffic.handed(to(a, `b${i}`), session(`b${i}`), run(), 1)
    time.mono += 1_000
    expect(traffic.readEdges()).toHaveLength(maxEdges)
    expect(traffic.of('a')!.frames).toBe(maxEdges + 1)
    time.mono += 11_000
    traffic.readEdges()
    traffic.handed(to(a, 'late'), session('late'), run(), 1)
    time.mono += 1_000
    expect(traffic.readEdges()).toMatchObject([{ to: 'late' }])
  })
})

describe('what is held', () => {
  it('is nothing by pair, and no time, while nobody watches edges', () => {
    const { time, traffic, session, to, waiting } = setup()
    traffic.watchEdges(false)
    const [a, b] = [session('a'), session('b')]
    traffic.handed(to(a, 'b'), b, run(), 1)
    expect(waiting).toEqual([])
    expect(traffic.of('a')!.frames).toBe(1)
    traffic.watchEdges(true)
    traffic.handed(to(a, 'b'), b, run(), 1)
    time.mono += 1_000
    expect(traffic.readEdges()).toMatchObject([{ from: 'a', to: 'b', framesPerSecond: 1 }])
    traffic.watchEdges(false)
    traffic.watchEdges(true)
    expect(traffic.readEdges()).toEqual([])
  })

  it('is no route and no link, a second after it was used', () => {
    const { traffic, session, to } = setup()
    for (let at = 0; at < 100; at++) traffic.handed(to(session(`a${at}`), 'b'), session('b'), run(), 1)
    const held = traffic as unknown as { cells: ReadonlyMap<unknown, unknown>; lastRoute: unknown; lastTarget: unknown }
    expect(held.cells.size).toBe(100)
    traffic.forgetRoutes()
    expect([held.cells.size, held.lastRoute, held.lastTarget]).toEqual([0, undefined, undefined])
  })

  it('is of twenty thousand senders the newest, and one that was forgotten counts again', () => {
    const { traffic, session, to } = setup()
    const [a, b] = [session('a'), session('b')]
    traffic.handed(to(a, 'b'), b, run(), 1)
    for (let at = 0; at < maxSenders; at++) traffic.handed(to(session(`s${at}`), 'b'), b, run(), 1)
    expect(traffic.of('a')).toBeUndefined()
    traffic.forgetRoutes()
    traffic.handed(to(a, 'b'), b, run(), 1)
    expect(traffic.of('a')!.frames).toBe(1)
    expect(traffic.of('s0')).toBeUndefined()
  })
})

describe('listed frames', () => {
  it('are two hundred at once, the others are counted', () => {
    const { traffic, listing, session, to } = setup({})
    traffic.handed(to(session('a'), 'b'), session('b'), run(150), 150)
    traffic.handed(to(session('a'), 'b'), session('b'), run(150), 150)
    const batch = listing.take()
    expect([batch.frames.length, batch.skipped]).toEqual([maxListed, 100])
    expect(listing.take()).toEqual({ frames: [], skipped: 0 })
    for (let at = 0; at < 3; at++) traffic.handed(to(session('a'), 'b'), session('b'), run(200), 200)
    expect(listing.take()).toMatchObject({ skipped: 400 })
  })

  it('get their time when they are written', () => {
    const { time, traffic, listing, session, toAny, write } = setup({})
    traffic.handed(toAny(session('a'), 'g'), session('b'), run(), 1)
    time.mono += 3
    write()
    traffic.refused(toAny(session('a'), 'g'), undefined, 'BUSY', run(), 1)
    expect(listing.take().frames).toEqual([
      {
        at: 1_000,
        from: 'a',
        to: 'any:g',
        taker: 'b',
        bytes: run().length,
        outcome: 'DELIVERED',
        ms: 3,
        sealed: expect.stringMatching(/^000000000badcafe[0-9a-f]{176}$/) as string,
      },
      expect.objectContaining({ taker: null, outcome: 'BUSY', ms: null }),
    ])
  })

  it.each<[FrameFilter, boolean]>([
    [{}, true],
    [{ from: 'a-1' }, true],
    [{ from: 'a-*' }, true],
    [{ from: 'a' }, false],
    [{ to: 'b-1' }, true],
    [{ to: 'any:g' }, true],
    [{ to: 'g' }, true],
    [{ to: 'any:*' }, true],
    [{ to: 'c' }, false],
    [{ group: 'g' }, true],
    [{ group: 'of-a' }, true],
    [{ group: 'of-b' }, true],
    [{ group: 'b-1' }, false],
    [{ outcome: 'DELIVERED' }, true],
    [{ outcome: 'BUSY' }, false],
    [{ from: 'a-*', to: 'c' }, false],
  ])('with the filter %j: %s', (filter, expected) => {
    const { session, toAny } = setup()
    const route = toAny(session('a-1', ['of-a']), 'g')
    expect(new Listing(filter).matches(route, session('b-1', ['of-b']), 'DELIVERED')).toBe(expected)
  })
})
