import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { drawChart } from '../scripts/chart.mjs'
import { describeMachine, versionsOf } from './harness/machine.mjs'
import { help, parseOptions } from './harness/options.mjs'
import { Processes } from './harness/processes.mjs'
import { topOfProfiles } from './harness/profile.mjs'
import { createReport, writeMarkdown } from './harness/report.mjs'
import { runRounds } from './harness/rounds.mjs'

const here = (/** @type {string} */ file) => fileURLToPath(new URL(file, import.meta.url))
const say = (/** @type {string} */ line) => console.log(line)

const plan = readPlan()
if (plan.help) {
  say(help)
  process.exit(0)
}

const profileFolder = plan.profile ? here('./tmp') : undefined
if (profileFolder !== undefined) {
  rmSync(profileFolder, { recursive: true, force: true })
  mkdirSync(profileFolder, { recursive: true })
}
const processes = new Processes({ profileFolder })
processes.stopAtSignals()

try {
  const machine = describeMachine()
  const run = await runRounds(plan, processes, say)
  const report = createReport(run, machine, versionsOf(plan.systems))
  const title = plan.kind === 'full' ? 'Results' : `Results of a ${plan.kind} run`
  const markdown = writeMarkdown({ title, run, report, plan })
  const json = `results/${plan.kind === 'full' ? 'latest' : plan.kind}.json`
  mkdirSync(here('./results'), { recursive: true })
  writeFileSync(here(json), `${JSON.stringify(report, null, 2)}\n`)
  if (plan.kind === 'full') {
    writeFileSync(here('./RESULTS.md'), markdown)
    writeFileSync(here('../docs/images/benchmark.svg'), drawChart(report))
  } else say(`\n${markdown}`)
  if (profileFolder !== undefined) say(topOfProfiles(profileFolder))
  say(`\nbench/${json}${plan.kind === 'full' ? ', bench/RESULTS.md and the chart of the README' : ''} written`)
  if (run.failures.length > 0) process.exitCode = 1
} finally {
  await processes.stopAll()
}

function readPlan() {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${help}`)
    return process.exit(2)
  }
}
