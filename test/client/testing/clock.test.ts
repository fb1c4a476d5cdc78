import { VirtualClock } from '@sealway/client/testing'
import { rejection } from '../../support/until'

let clock: VirtualClock
let order: string[]
const mark = (what: string) => () => void order.push(what)
beforeEach(() => {
  clock = new VirtualClock(1_000)
  order = []
})

describe('virtual time', () => {
  it('stands still until it is moved', async () => {
    clock.set(mark('timer'), 1)
    await clock.settle()
    expect([clock.now(), order]).toEqual([1_000, []])
    await clock.advance(1)
    expect([clock.now(), order]).toEqual([1_001, ['timer']])
  })

  it('runs what is due in the order of time, and of two at once the one that was set first', async () => {
    for (const [name, ms] of [
      ['c', 30],
      ['a', 10],
      ['b', 20],
      ['b2', 20],
    ] as const)
      clock.set(mark(name), ms)
    await clock.advance(25)
    expect(order).toEqual(['a', 'b', 'b2'])
    await clock.advance(5)
    expect(order).toEqual(['a', 'b', 'b2', 'c'])
  })

  it('keeps that order over a thousand timers, set and cleared at random', async () => {
    const times = Array.from({ length: 1_000 }, (_, i) => (i * 7_919) % 997)
    const seen: number[] = []
    const timers = times.map((ms) => clock.set(() => seen.push(ms), ms))
    for (let i = 0; i < timers.length; i += 3) clock.clear(timers[i])
    await clock.advance(1_000)
    expect(seen).toEqual(times.filter((_, i) => i % 3 !== 0).sort((a, b) => a - b))
  })

  it('lets all that follows from one timer happen before the next', async () => {
    clock.set(() => {
      order.push('first')
      void Promise.resolve()
        .then(() => clock.soon(mark('soon')))
        .then(mark('promise'))
    }, 10)
    clock.set(mark('second'), 10)
    await clock.advance(10)
    expect(order).toEqual(['first', 'promise', 'soon', 'second'])
  })

  it('is at the time of a timer while that runs', async () => {
    const times: number[] = []
    clock.set(() => times.push(clock.now()), 10)
    clock.set(() => times.push(clock.now()), 40)
    await clock.advance(100)
    expect([times, clock.now()]).toEqual([[1_010, 1_040], 1_100])
  })

  it('runs what needs no time by itself', async () => {
    const done = new Promise<void>((resolve) => clock.soon(resolve))
    await expect(done).resolves.toBeUndefined()
  })

  it('is moved by a sleeper only as far as somebody lets it', async () => {
    const sleeper = clock.sleep(50).then(mark('awake'))
    await clock.advance(49)
    expect(order).toEqual([])
    await clock.advance(1)
    await sleeper
    expect(order).toEqual(['awake'])
  })

  it('can be moved by two at once, and by what runs in it', async () => {
    clock.set(() => void clock.advance(5).then(mark('inner')), 10)
    clock.set(mark('outer'), 12)
    await Promise.all([clock.advance(20), clock.advance(20)])
    expect(order.sort()).toEqual(['inner', 'outer'])
    expect(clock.now()).toBeGreaterThanOrEqual(1_020)
  })

  it('goes on with what is due where something throws', async () => {
    clock.set(() => {
      throw new Error('on purpose')
    }, 10)
    clock.set(mark('after'), 20)
    expect((await rejection(clock.advance(30))).message).toBe('on purpose')
    await clock.advance(30)
    expect(order).toEqual(['after'])
  })

  it.each([-1, Number.NaN])('does not go by %d ms', async (ms) => {
    expect((await rejection(clock.advance(ms))).code).toBe('INVALID_ARGUMENT')
  })
})

describe('until', () => {
  it('lets as much time go by as it takes', async () => {
    expect(await clock.until(clock.sleep(70).then(() => 'done'))).toBe('done')
    expect(clock.now()).toBe(1_070)
  })

  it('lets none go by where none is needed', async () => {
    clock.set(mark('timer'), 1)
    expect(await clock.until(Promise.resolve(1))).toBe(1)
    expect([clock.now(), order]).toEqual([1_000, []])
  })

  it('rejects as the promise does', async () => {
    const fails = clock.sleep(5).then(() => Promise.reject(new Error('no')))
    expect((await rejection(clock.until(fails))).message).toBe('no')
  })

  it('says so where nothing can settle it', async () => {
    expect((await rejection(clock.until(new Promise(() => {})))).code).toBe('TIMEOUT')
  })

  it('says so where an hour was not enough', async () => {
    const again = (): void => void clock.set(again, 60_000)
    again()
    expect((await rejection(clock.until(new Promise(() => {})))).code).toBe('TIMEOUT')
    expect(clock.now()).toBe(1_000 + 3_600_000)
  })
})

it("is not reached by a test runner's own fake timers", async () => {
  jest.useFakeTimers()
  try {
    clock.set(mark('timer'), 1_000)
    await clock.advance(1_000)
    expect(order).toEqual(['timer'])
  } finally {
    jest.useRealTimers()
  }
})
