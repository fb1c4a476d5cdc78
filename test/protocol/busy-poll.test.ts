import { BusyPoll } from '../../protocol/src'

const windowMs = 0.4

/** An event loop of which the test runs each turn, and whose clock it sets. */
class Loop {
  now = 1_000
  private waiting: (() => void)[] = []
  readonly poll = new BusyPoll({
    windowMs,
    now: () => this.now,
    again: (turn) => this.waiting.push(turn),
  })

  /** Whether it would go on without sleeping. */
  get awake(): boolean {
    return this.waiting.length > 0
  }

  turn(): void {
    const { waiting } = this
    this.waiting = []
    expect(waiting.length).toBeLessThanOrEqual(1)
    for (const turn of waiting) turn()
  }

  /** One arrival after the other, with turns in between. */
  arrive(times: number, everyMs: number, bytes = 1_024): void {
    for (let i = 0; i < times; i++) {
      const next = this.now + everyMs
      for (; this.awake && this.now < next; this.now += 0.05) this.turn()
      this.now = next
      this.poll.arrived(bytes)
    }
  }

  /** How long it stays awake from now on, ms. */
  awakeMs(): number {
    const from = this.now
    while (this.awake) {
      this.turn()
      this.now += 0.05
    }
    return this.now - from
  }
}

let loop: Loop
beforeEach(() => {
  loop = new Loop()
})

it('sleeps at once until it is known that more comes soon', () => {
  loop.arrive(1, 0.1)
  expect(loop.awake).toBe(false)
  loop.arrive(10, 0.1)
  expect(loop.awake).toBe(false)
  loop.arrive(30, 0.1)
  expect(loop.awake).toBe(true)
})

it('stays awake for the window after the last arrival, and no longer', () => {
  loop.arrive(100, 0.2)
  const ms = loop.awakeMs()
  expect(ms).toBeGreaterThanOrEqual(windowMs)
  expect(ms).toBeLessThan(windowMs + 0.11)
})

it.each([1, 10, 1_000])('where something comes every %d ms it always sleeps', (everyMs) => {
  for (let i = 0; i < 100; i++) {
    loop.arrive(1, everyMs)
    expect(loop.awake).toBe(false)
  }
})

it('where half of it comes soon and half late it sleeps: it would be awake in vain too often', () => {
  for (let i = 0; i < 100; i++) {
    loop.arrive(1, 0.1)
    loop.arrive(1, 5)
  }
  expect(loop.awake).toBe(false)
})

it('where most of it comes soon it stays awake', () => {
  for (let i = 0; i < 100; i++) {
    loop.arrive(9, 0.2)
    loop.arrive(1, 5)
  }
  loop.arrive(1, 0.2)
  expect(loop.awake).toBe(true)
})

it('of much at once nobody waits for the end', () => {
  loop.arrive(100, 0.2, 64 * 1_024)
  expect(loop.awake).toBe(false)
})

it('forgets what was, once little comes', () => {
  loop.arrive(100, 0.2)
  expect(loop.awake).toBe(true)
  loop.arrive(6, 20)
  expect(loop.awake).toBe(false)
  loop.arrive(1, 0.1)
  expect(loop.awake).toBe(false)
})

it('asks for one turn at a time, however much arrives in it', () => {
  loop.arrive(100, 0.2)
  for (let i = 0; i < 50; i++) loop.poll.arrived(100)
  loop.turn()
  expect(loop.awake).toBe(true)
})

it('is not held awake by the time that went by in one long turn', () => {
  loop.arrive(100, 0.2)
  loop.now += 3
  loop.turn()
  expect(loop.awake).toBe(false)
})
