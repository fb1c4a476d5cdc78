import type { Played } from './player.js'
import { Stage } from './stage.js'

/** How many seeds make one test: a test of all would say too little of where it is. */
const perTest = 100

/**
 * Plays these seeds, or with the environment variable SEED only that one, whose whole history is then shown where it
 * failed. @param file of the test, for the command that plays one seed again
 */
export function playSeeds(file: string, first: number, last: number): void {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open()
  })
  afterAll(() => stage?.close())

  const only = process.env.SEED
  if (only !== undefined) {
    it(`keeps every promise in seed ${only}`, async () => {
      const [played] = await stage.play(Number(only), Number(only))
      if (played!.violations.length > 0) throw new Error(`${told(file, played!)}\n\n${played!.history}`)
    })
    return
  }
  for (let from = first; from <= last; from += perTest) {
    const to = Math.min(from + perTest - 1, last)
    it(`keeps every promise in seeds ${from} to ${to}`, async () => {
      const played = await stage.play(from, to)
      expect(played).toHaveLength(to - from + 1)
      const failed = played.filter(({ violations }) => violations.length > 0)
      expect(failed.map((one) => told(file, one)).join('\n\n')).toBe('')
    })
  }
}

const told = (file: string, { seed, violations, script }: Played): string =>
  [
    `seed ${seed}: ${violations.length} promises broken`,
    ...violations.map((violation) => `  ${violation}`),
    `  ${JSON.stringify(script)}`,
    `  to play it again: SEED=${seed} npx jest test/simulation/${file}`,
  ].join('\n')
