import fc from 'fast-check'
import { Members } from '../../../server/src/routing/members.js'
import type { Session } from '../../../server/src/session/session.js'

const session = (open = { room: true }) =>
  ({ outbox: { hasRoom: () => open.room, lagging: false } }) as unknown as Session
const nobody = session()

describe('the members of a group', () => {
  it('are chosen by the bytes that each has been given, whatever comes and goes', () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ pick: fc.integer({ min: 1, max: 1_000 }) }) },
      { weight: 1, arbitrary: fc.constant({ join: true }) },
      { weight: 1, arbitrary: fc.record({ leave: fc.nat() }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const members = new Members()
        const loads = new Map<Session, number>()
        const least = () => Math.min(...loads.values())
        for (const one of steps) {
          if ('pick' in one) {
            const chosen = members.pick(one.pick, nobody)
            if (loads.size === 0) expect(chosen).toBeUndefined()
            else {
              expect(loads.get(chosen!)).toBe(least())
              loads.set(chosen!, loads.get(chosen!)! + one.pick)
            }
          } else if ('join' in one) {
            const joining = session()
            const load = loads.size === 0 ? 0 : least()
            members.add(joining)
            loads.set(joining, load)
          } else if (loads.size > 0) {
            const leaving = [...loads.keys()][one.leave % loads.size]!
            expect(members.delete(leaving)).toBe(true)
            loads.delete(leaving)
          }
          expect([members.size, new Set(members.sessions())]).toEqual([loads.size, new Set(loads.keys())])
        }
      }),
    )
  })

  it('that have no room are passed over, and get no more than the others afterwards', () => {
    const members = new Members()
    const open = { room: false }
    const [stuck, a, b] = [session(open), session(), session()]
    for (const one of [stuck, a, b]) members.add(one)
    const count = new Map<Session, number>([stuck, a, b].map((one) => [one, 0]))
    const pick = (times: number) => {
      for (let i = 0; i < times; i++) {
        const chosen = members.pick(100, nobody)!
        count.set(chosen, count.get(chosen)! + 1)
      }
    }
    pick(100)
    expect([...count.values()]).toEqual([0, 50, 50])
    open.room = true
    pick(30)
    expect(count.get(stuck)).toBeLessThanOrEqual(11)
  })

  it('are none where none has room, and none is forgotten for it', () => {
    const members = new Members()
    const open = { room: false }
    for (let i = 0; i < 5; i++) members.add(session(open))
    expect(members.pick(1, nobody)).toBeUndefined()
    open.room = true
    expect(new Set(Array.from({ length: 5 }, () => members.pick(1, nobody))).size).toBe(5)
  })
})
