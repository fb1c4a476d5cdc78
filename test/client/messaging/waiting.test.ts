import type { SealwayError } from '@sealway/protocol'
import { Allowance } from '../../../client-lib/src/messaging/allowance.js'
import type { Outlet } from '../../../client-lib/src/messaging/outlet.js'
import { Waiting } from '../../../client-lib/src/messaging/waiting.js'
import { VirtualTime } from '../../support/clock.js'
import { rejection } from '../../support/until.js'

/** All that waiting knows of an outlet is who it is, and what credit it has. */
const outletTo = (to: string) => ({ to, allowance: new Allowance(true) }) as unknown as Outlet

let time: VirtualTime
let waiting: Waiting
beforeEach(() => {
  time = new VirtualTime()
  waiting = new Waiting(time)
})

/** Room for so many. */
function room(free = 0) {
  const taken: number[] = []
  return {
    taken,
    add: (more: number) => {
      free += more
    },
    attempt: (n: number) => () => {
      if (free === 0) return false
      free--
      taken.push(n)
      return true
    },
  }
}

describe('those who wait for room', () => {
  it('get it in the order in which they came, as much as there is', async () => {
    const [outlet, { taken, add, attempt }] = [outletTo('bob'), room()]
    const all = [1, 2, 3].map((n) => waiting.add(outlet, 'send', 1_000, undefined, attempt(n)))
    expect([waiting.count, waiting.has(outlet)]).toEqual([3, true])
    add(2)
    waiting.retry(outlet)
    await Promise.all(all.slice(0, 2))
    expect(taken).toEqual([1, 2])
    expect(waiting.count).toBe(1)
    add(1)
    waiting.retry(outlet)
    await all[2]
    expect([waiting.count, waiting.has(outlet), time.pending]).toEqual([0, false, 0])
  })

  it('wait for their own outlet alone', async () => {
    const [bob, carol, { attempt, add }] = [outletTo('bob'), outletTo('carol'), room()]
    void waiting.add(bob, 'send', 1_000, undefined, attempt(1)).catch(() => {})
    expect([waiting.has(bob), waiting.has(carol)]).toEqual([true, false])
    add(1)
    waiting.retry(carol)
    expect(waiting.count).toBe(1)
  })

  it('who make room by themselves do not get in twice', async () => {
    const [outlet, { taken, add, attempt }] = [outletTo('bob'), room()]
    const first = waiting.add(outlet, 'send', 1_000, undefined, () => {
      const got = attempt(1)()
      // As a bundle that is sealed by what was added to it.
      if (got) waiting.retry(outlet)
      return got
    })
    const second = waiting.add(outlet, 'send', 1_000, undefined, attempt(2))
    add(5)
    waiting.retry(outlet)
    await Promise.all([first, second])
    expect(taken).toEqual([1, 2])
    expect(waiting.count).toBe(0)
  })

  it('give up at their time, and leave their place', async () => {
    const [outlet, { taken, add, attempt }] = [outletTo('bob'), room()]
    const late = rejection(waiting.add(outlet, 'send n to bob', 100, undefined, attempt(1)))
    const patient = waiting.add(outlet, 'send', 1_000, undefined, attempt(2))
    await time.advance(100)
    expect(await late).toMatchObject({ code: 'BUSY', outcome: 'not-delivered', target: 'bob', afterMs: 100 })
    add(1)
    waiting.retry(outlet)
    await patient
    expect(taken).toEqual([2])
  })

  it('get the error of an attempt that fails, and hold up nobody', async () => {
    const [outlet, { attempt, add }] = [outletTo('bob'), room()]
    const broken = rejection(
      waiting.add(outlet, 'send', 1_000, undefined, () => {
        throw Object.assign(new Error('no key'), { code: 'NO_KEY' })
      }),
    )
    const onError = jest.fn()
    waiting.enqueue(
      outlet,
      () => {
        throw new Error('too large')
      },
      onError,
    )
    const good = waiting.add(outlet, 'send', 1_000, undefined, attempt(1))
    add(1)
    waiting.retry(outlet)
    await good
    expect((await broken).code).toBe('NO_KEY')
    expect(onError).toHaveBeenCalledTimes(1)
    expect(waiting.count).toBe(0)
  })

  it('that have a deadline of their own can give up their place, again and again', () => {
    const [outlet, { attempt, add, taken }] = [outletTo('bob'), room()]
    const leave = waiting.enqueue(outlet, attempt(1), () => {})
    waiting.enqueue(outlet, attempt(2), () => {})
    leave()
    leave()
    expect(waiting.count).toBe(1)
    add(2)
    waiting.retry(outlet)
    expect(taken).toEqual([2])
    leave()
    expect(waiting.count).toBe(0)
  })

  it('are at most 65,536; the next is refused at once, and leaves no timer', async () => {
    const outlet = outletTo('bob')
    const errors: SealwayError[] = []
    for (let i = 0; i < 65_536; i++)
      waiting.enqueue(
        outlet,
        () => false,
        (error) => errors.push(error),
      )
    const error = await rejection(waiting.add(outlet, 'send', 1_000, undefined, () => false))
    expect(error).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
    expect(() =>
      waiting.enqueue(
        outlet,
        () => false,
        () => {},
      ),
    ).toThrow(expect.objectContaining({ code: 'BUSY' }))
    expect(time.pending).toBe(0)
    waiting.close()
    expect(errors).toHaveLength(65_536)
  })

  it('are all told when the node is closed, also those who leave as they are told', async () => {
    const [bob, carol] = [outletTo('bob'), outletTo('carol')]
    const all = [bob, bob, carol].map((outlet) => rejection(waiting.add(outlet, 'send', 1_000, undefined, () => false)))
    const told: string[] = []
    for (let i = 0; i < 3; i++) {
      const leave = waiting.enqueue(
        bob,
        () => false,
        (error) => {
          told.push(error.code)
          leave()
        },
      )
    }
    waiting.close()
    expect((await Promise.all(all)).map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED', 'CLOSED'])
    expect(told).toEqual(['CLOSED', 'CLOSED', 'CLOSED'])
    expect([waiting.count, time.pending]).toEqual([0, 0])
  })
})
