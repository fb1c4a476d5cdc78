import { measurements } from './harness/cases.mjs'
import { Processes } from './harness/processes.mjs'
import { runRounds } from './harness/rounds.mjs'
import { pairedRatio } from './harness/statistics.mjs'
import { systems } from './systems/index.mjs'

/**
 * A regression gate for CI, some ten seconds: sealed messages one way, against the raw relay in the same rounds. It is
 * to catch a path that has become several times slower, on any machine and beside any neighbour, so the floor is a
 * third of what is reached, and the best round counts.
 */
const floor = 0.15
const rounds = 3
const times = { warmUpMs: 400, measureMs: 600 }

const processes = new Processes()
processes.stopAtSignals()
try {
  const run = await runRounds(
    {
      systems: systems.filter(({ name }) => name === 'sealway' || name === 'raw'),
      measurements: measurements.filter(({ name }) => name === 'oneway-128'),
      cases: new Set(['oneway-128']),
      rounds,
      idleRounds: 0,
      times,
      budgetMs: 60_000,
      profile: false,
    },
    processes,
    (line) => console.log(line),
  )
  const ratio = pairedRatio(run.readings, 'sealway', 'raw')
  const lost = run.losses.reduce((sum, { lost: count, wrong }) => sum + count + wrong, 0)
  if (ratio === undefined || run.failures.length > 0 || lost > 0) {
    console.error(`gate: not measured (${run.failures.length} failures, ${lost} messages lost)`)
    process.exitCode = 1
  } else {
    const text = `sealway ÷ raw relay, one way, 128 B: ${ratio.median.toFixed(2)}, best round ${ratio.max.toFixed(2)}`
    const passed = ratio.max >= floor
    console.log(`gate: ${text}; floor ${floor}: ${passed ? 'passed' : 'FAILED'}`)
    if (!passed) process.exitCode = 1
  }
} finally {
  await processes.stopAll()
}
