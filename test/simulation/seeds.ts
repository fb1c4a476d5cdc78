import { type Simulated, simulate } from './scenario.js'

/** How many seeds make one test: a test of all would say too little of where it is. */
const perTest = 100

/**
 * Plays these seeds, or with the environment variable SEED only that one, whose whole history is then shown where it
 * failed. @param file of the test, for the command that plays one seed again
 */
export function playSeeds(file: string, first: number, last: number): void {
  const only = process.env.SEED
  if (only !== undefined) {
    it(`keeps every promise in seed ${only}`, async () => {
      const played = await simulate(Number(only))
      if (played.violations.length > 0) throw new Error(`${told(file, played)}\n\n${String(played.history)}`)
    })
    return
  }
  for (let from = first; from <= last; from += perTest) {
    const to = Math.min(from + perTest - 1, last)
    it(`keeps every promise in seeds ${from} to ${to}`, async () => {
      const failed: string[] = []
      for (let seed = from; seed <= to; seed++) {
        const played = await simulate(seed)
        if (played.violations.length > 0) failed.push(told(file, played))
      }
      expect(failed.join('\n\n')).toBe('')
    })
  }
}

const told = (file: string, { seed, violations, script }: Simulated): string =>
  [
    `seed ${seed}: ${violations.length} promises broken`,
    ...violations.map((violation) => `  ${violation}`),
    `  ${JSON.stringify(script)}`,
    `  to play it again: SEED=${seed} npx jest test/simulation/${file}`,
  ].join('\n')
