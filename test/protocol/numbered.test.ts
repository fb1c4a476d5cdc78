import fc from 'fast-check'
import { Numbered } from '../../protocol/src/numbered'

/** Two different things with the same text are told apart, as they are by a Map. */
interface Thing {
  readonly text: string
}

const highest = 0xffff_ffff
/** Few of them, so that they meet; with equal low bits, so that they collide; and at both ends of a u32. */
const anyNumber = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 0, max: 12 }).map((n) => n * 16),
  fc.integer({ min: 0, max: 12 }).map((n) => n * 1024 + 7),
  fc.integer({ min: 0, max: 40 }).map((n) => highest - n),
  fc.integer({ min: 0, max: 40 }).map((n) => 0x8000_0000 - 20 + n),
)
const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ what: fc.constant('set' as const), number: anyNumber }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant('delete' as const), number: anyNumber }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('deleteRun' as const),
      number: fc.integer({ min: 0, max: 60 }),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('setRun' as const),
      number: fc.integer({ min: 0, max: 60 }),
      count: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('clear' as const) }) },
)

/** All that can be asked says the same of both. */
function compare(numbered: Numbered<Thing>, model: ReadonlyMap<number, Thing>, asked: Iterable<number>): void {
  expect(numbered.size).toBe(model.size)
  for (const number of asked) {
    expect(numbered.get(number)).toBe(model.get(number))
    expect(numbered.has(number)).toBe(model.has(number))
  }
  const inOrder = [...model].sort(([a], [b]) => a - b).map(([, thing]) => thing)
  const values = numbered.values()
  expect(values).toHaveLength(inOrder.length)
  for (const [i, thing] of inOrder.entries()) expect(values[i]).toBe(thing)
}

describe('things by number', () => {
  it('are what a Map would say they are, whatever is put in and taken out', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 120 }), (steps) => {
        const numbered = new Numbered<Thing>()
        const model = new Map<number, Thing>()
        const seen = new Set<number>([0, 1, highest])
        const set = (number: number, text: string) => {
          const thing = { text }
          numbered.set(number, thing)
          model.set(number, thing)
          seen.add(number)
        }
        const remove = (number: number) => {
          expect(numbered.delete(number)).toBe(model.delete(number))
          seen.add(number)
        }
        for (const [i, step] of steps.entries()) {
          if (step.what === 'set') set(step.number, `thing ${i}`)
          else if (step.what === 'delete') remove(step.number)
          else if (step.what === 'setRun') for (let n = 0; n < step.count; n++) set(step.number + n, `run ${i} ${n}`)
          else if (step.what === 'deleteRun') for (let n = 0; n < step.count; n++) remove(step.number + n)
          else {
            numbered.clear()
            model.clear()
          }
        }
        compare(numbered, model, seen)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['at the first slot', 0],
    ['over the end of the slots', 14],
  ])('that collide %s are all found, whichever of them goes first', (_where, home) => {
    const numbers = [0, 1, 2, 3, 4].map((n) => n * 16 + home)
    // And one whose own slot the others have taken.
    numbers.push(home + 1)
    for (const first of numbers) {
      for (const second of numbers) {
        const numbered = new Numbered<Thing>()
        const model = new Map<number, Thing>()
        for (const number of numbers) {
          const thing = { text: String(number) }
          numbered.set(number, thing)
          model.set(number, thing)
        }
        for (const number of [first, second]) expect(numbered.delete(number)).toBe(model.delete(number))
        compare(numbered, model, numbers)
      }
    }
  })

  it('come lowest number first, also beyond what an i32 holds', () => {
    const numbered = new Numbered<Thing>()
    const numbers = [highest, 5, 0x8000_0000, 0x7fff_ffff, 21, 37, 0]
    for (const number of numbers) numbered.set(number, { text: String(number) })
    expect(numbered.values().map(({ text }) => Number(text))).toEqual([...numbers].sort((a, b) => a - b))
  })

  it('are given as they are now: what is taken out while one goes through them is still among them', () => {
    const numbered = new Numbered<Thing>()
    for (let number = 1; number <= 100; number++) numbered.set(number, { text: String(number) })
    const went: string[] = []
    for (const { text } of numbered.values()) {
      went.push(text)
      for (let number = 1; number <= 100; number++) numbered.delete(number)
    }
    expect([went.length, numbered.size]).toEqual([100, 0])
  })

  it('are found while ten thousand others come and go, as requests do', () => {
    const numbered = new Numbered<Thing>()
    const slow = { text: 'slow' }
    numbered.set(3, slow)
    for (let number = 4; number < 10_000; number++) {
      numbered.set(number, { text: '' })
      if (number >= 68) expect(numbered.delete(number - 64)).toBe(true)
    }
    expect([numbered.size, numbered.get(3)]).toEqual([65, slow])
    numbered.clear()
    expect([numbered.size, numbered.get(3), numbered.values()]).toEqual([0, undefined, []])
  })
})
