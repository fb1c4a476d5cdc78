import { Deadlines, Timed } from '../../../client-lib/src/messaging/deadlines.js'
import { VirtualTime } from '../../support/clock.js'

class Wait extends Timed {
  constructor(
    readonly name: string,
    private readonly onExpire: (wait: Wait) => void = (wait) => expired.push(wait.name),
  ) {
    super()
  }

  expire(): void {
    this.onExpire(this)
  }
}

let time: VirtualTime
let deadlines: Deadlines
let expired: string[]
beforeEach(() => {
  time = new VirtualTime()
  deadlines = new Deadlines(time)
  expired = []
})

/** Begins to wait. */
function wait(name: string, ms: number, onExpire?: (wait: Wait) => void): Wait {
  const item = new Wait(name, onExpire)
  deadlines.add(item, ms)
  return item
}

it('each ends at its own time, however the others end', async () => {
  wait('a', 100)
  await time.advance(30)
  const b = wait('b', 100)
  wait('c', 50)
  wait('d', 100)
  deadlines.remove(b)
  await time.advance(49)
  expect(expired).toEqual([])
  await time.advance(1)
  expect(expired).toEqual(['c'])
  await time.advance(20)
  expect(expired).toEqual(['c', 'a'])
  await time.advance(29)
  expect(expired).toEqual(['c', 'a'])
  await time.advance(1)
  expect(expired).toEqual(['c', 'a', 'd'])
})

it.each([[['first']], [['middle']], [['last']], [['first', 'last']], [['last', 'middle', 'first']]])(
  'those that were not taken out (%j) end in order',
  async (taken) => {
    const items = new Map(['first', 'middle', 'last'].map((name) => [name, wait(name, 10)]))
    for (const name of taken) deadlines.remove(items.get(name)!)
    await time.advance(10)
    expect(expired).toEqual(['first', 'middle', 'last'].filter((name) => !taken.includes(name)))
  },
)

it('a thousand of one length share a timer, and what was taken out twice is out', async () => {
  const items = Array.from({ length: 1_000 }, (_, i) => wait(String(i), 5_000))
  expect(time.pending).toBe(1)
  for (const item of items) {
    deadlines.remove(item)
    deadlines.remove(item)
  }
  wait('later', 5_000)
  expect(time.pending).toBe(1)
  await time.advance(5_000)
  expect(expired).toEqual(['later'])
  expect(time.pending).toBe(0)
})

it('many lengths leave at most 64 timers behind', () => {
  for (let ms = 1; ms <= 1_000; ms++) deadlines.remove(wait('x', ms))
  expect(time.pending).toBeLessThanOrEqual(64)
})

it('one that begins another wait as it ends, and one that throws, do not hold up the rest', async () => {
  wait('again', 10, () => wait('second', 10))
  wait('throws', 10, () => {
    throw new Error('as it ends')
  })
  wait('rest', 10)
  await expect(time.advance(10)).rejects.toThrow('as it ends')
  await time.advance(1)
  expect(expired).toEqual(['rest'])
  await time.advance(9)
  expect(expired).toEqual(['rest', 'second'])
})

it('leaves no timer once it is closed', () => {
  deadlines.remove(wait('a', 10))
  wait('b', 20)
  deadlines.close()
  expect(time.pending).toBe(0)
})
