import fc from 'fast-check'
import { counterOf, noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

/** Small enough that every limit is met within a few steps. */
const limits = {
  routeWindowBytes: 8_000,
  routeWindowFrames: 40,
  maxFrameBytes: 4_000,
  outboxBytes: 20_000,
  outboxFrames: 100,
  budgetBytes: 60_000,
}
const senders = ['s0', 's1']
const receivers = ['r0', 'r1', 'r2']

type Move =
  | { type: 'send'; from: number; to: number; frames: number; bytes: number }
  | { type: 'pause' | 'resume' | 'leave' | 'come' | 'superseded'; who: number }
  | { type: 'wait'; ms: number }

const who = fc.nat(receivers.length - 1)
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant('send' as const),
      from: fc.nat(senders.length - 1),
      to: who,
      frames: fc.integer({ min: 1, max: 12 }),
      bytes: fc.integer({ min: 96, max: 3_000 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'pause' as const,
        'resume' as const,
        'leave' as const,
        'come' as const,
        'superseded' as const,
      ),
      who,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 250, max: 2_000 }) }) },
)

/** As it was when the link of a receiver ended or the run was over: what it read, by sender. */
interface Reading {
  readonly name: string
  readonly link: RawLink
}

it('of every frame exactly one thing becomes: it is rejected, or handed on once and in order, or counted as lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 60 }), async (moves) => {
      const world = new World({ limits })
      const instance = (i: number) => `${i}`.repeat(32)
      const arrive = (i: number) => world.node(receivers[i]!, { instance: instance(i) }, { highWaterBytes: 2_000 })
      const from = await Promise.all(senders.map((name) => world.node(name)))
      const live: (RawLink | undefined)[] = [await arrive(0), await arrive(1), undefined]
      const read: Reading[] = live.flatMap((link, i) => (link ? [{ name: receivers[i]!, link }] : []))
      for (const link of from) receivers.forEach((name, i) => void link.open(i, name))
      await world.settle()
      let sent = 0
      const next = from.map(() => receivers.map(() => 0))
      for (const step of moves) {
        switch (step.type) {
          case 'send': {
            const bodies = Array.from({ length: step.frames }, () => noise(next[step.from]![step.to]!++, step.bytes))
            sent += step.frames
            from[step.from]!.send(step.to, ...bodies)
            break
          }
          case 'pause':
            live[step.who]?.connection.pause()
            break
          case 'resume':
            live[step.who]?.connection.resume()
            break
          case 'leave':
            live[step.who]?.connection.destroy()
            live[step.who] = undefined
            break
          case 'come':
          case 'superseded':
            if ((live[step.who] === undefined) === (step.type === 'come')) {
              const link = await arrive(step.who)
              live[step.who] = link
              read.push({ name: receivers[step.who]!, link })
            }
            break
          case 'wait':
            await world.advance(step.ms)
        }
        await world.settle()
      }
      for (const { link } of read) link.connection.resume()
      await world.settle()
      await world.advance(500)
      const rejected = from.reduce((sum, link) => sum + link.rejects.length, 0)
      const { counters } = world.relay
      const outboxes = [...world.relay.presence.all()].map((session) => session.outbox)
      expect(rejected + counters.of('DELIVERED').frames).toBe(sent)
      expect([outboxes.reduce((sum, outbox) => sum + outbox.frames, 0), world.relay.budget.usedBytes]).toEqual([0, 0])
      // Read is what was handed on, but for what was counted as lost (of which some may have arrived all the same: what
      // was being written when its link ended) and for what was on the way of links that were cut.
      const got = read.reduce((sum, { link }) => sum + link.delivered.length, 0)
      const ends = world.log.filter(({ message }) => message === 'node left').map(({ fields }) => fields.code)
      expect(got).toBeLessThanOrEqual(counters.of('DELIVERED').frames)
      if (ends.length === 0) expect([got, counters.of('LOST').frames]).toEqual([counters.of('DELIVERED').frames, 0])
      if (ends.every((code) => code === 'SUPERSEDED')) {
        expect(got + counters.of('LOST').frames).toBeGreaterThanOrEqual(counters.of('DELIVERED').frames)
      }
      const seen = new Set<string>()
      for (const { name, link } of read) {
        const last = new Map<string, number>()
        const source = new Map(link.announces.map((announce) => [announce.route, announce.from]))
        for (const frame of link.frames.filter(({ type }) => type === 12)) {
          const sender = source.get(frame.route)!
          const counter = counterOf(frame.body)
          expect(counter).toBeGreaterThan(last.get(sender) ?? -1)
          last.set(sender, counter)
          const key = `${sender} ${name} ${counter}`
          expect(seen.has(key)).toBe(false)
          seen.add(key)
        }
      }
      // And all credit is back: the window is whole again, but for less than a quarter that is not worth a frame.
      for (const session of world.relay.presence.all()) {
        for (const route of session.routes.values()) expect([route.usedBytes, route.usedFrames]).toEqual([0, 0])
      }
    }),
    { numRuns: 60 },
  )
})
