import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from './harness/machine.mjs'
import { Worker } from './harness/measure.mjs'
import { cpuSeconds } from './harness/proc.mjs'
import { Processes } from './harness/processes.mjs'
import { summarize } from './harness/statistics.mjs'
import { sealway } from './systems/sealway/system.mjs'

/**
 * Row R12: twenty nodes call each other at a light pace while one more fires as fast as it can, at a node that is busy
 * and at a group of ten. Three phases take turns in one run, as the machine drifts: quiet, flooded, and with the same
 * flood through another mediator, which shares nothing with the callers but the machine. So it can be told what the
 * mediator does to them from what the cores do. Mediators, callers, flooders and flooded are processes of their own.
 */
const kinds = ['quiet', 'flooded', 'elsewhere']
const callers = 20
const sinks = 10
/** p99 of the callers while the flood goes on, of their p99 when it is quiet. */
const goal = 2

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    prof: { type: 'boolean' },
  },
})
const ms = Number(values.seconds) * 1_000
const rounds = Math.max(3, Number(values.rounds))
const crowd = fileURLToPath(new URL('./harness/crowd.mjs', import.meta.url))
const processes = new Processes(values.prof ? { profileFolder: fileURLToPath(new URL('./tmp', import.meta.url)) } : {})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, async () => {
    await processes.stopAll()
    process.exit(130)
  })
}
try {
  processes.stage = 'fairness'
  const start = async (/** @type {string} */ label, /** @type {object} */ command) => {
    const worker = new Worker(processes, label, crowd)
    await worker.ask('join', command)
    return worker
  }
  const names = (/** @type {string} */ name, /** @type {number} */ count) =>
    Array.from({ length: count }, (_, index) => `${name}-${index}`)

  /** A mediator, and those who flood it and are flooded. */
  const arena = async () => {
    const { endpoint, running } = await sealway.start(processes)
    const sunk = names('sink', sinks).map((name) => ({ name, groups: ['sinks'] }))
    return {
      endpoint,
      pid: running?.pid ?? 0,
      busy: await start('busy', { endpoint, members: [{ name: 'busy', groups: ['everybody'] }], busy: true }),
      group: await start('sinks', { endpoint, members: sunk }),
      flooder: await start('flooder', { endpoint, members: [{ name: 'flooder', groups: ['everybody', 'sinks'] }] }),
    }
  }
  const here = await arena()
  const elsewhere = await arena()
  const members = names('caller', callers).map((name) => ({ name, groups: ['callers'] }))
  const quiet = await start('callers', { endpoint: here.endpoint, members })

  await quiet.ask('exchange', { ms: 1_000 })
  /** @type {{ round: number, kind: string, p50: number, p99: number, [more: string]: unknown }[]} */
  const phases = []
  let lost = 0
  for (let round = 1; round <= rounds; round++) {
    for (const kind of kinds) {
      const flooded = kind === 'quiet' ? undefined : kind === 'flooded' ? here : elsewhere
      const before = { cpu: cpuSeconds(here.pid), received: await flooded?.group.ask('received'), at: Date.now() }
      await flooded?.flooder.ask('flood', { targets: ['busy', 'group:sinks'] })
      const { acked, ...figures } = await quiet.ask('exchange', { ms }, ms + 60_000)
      const seconds = (Date.now() - before.at) / 1_000
      const cpu = (cpuSeconds(here.pid) - before.cpu) / seconds
      const phase = { round, kind, ...figures, acked, mediatorCpu: cpu, fired: 0, refused: 0, groupPerSecond: 0 }
      if (flooded) {
        phase.groupPerSecond = Math.round(((await flooded.group.ask('received')) - before.received) / seconds)
        Object.assign(phase, await flooded.flooder.ask('calm'))
        await settled(flooded.group)
      }
      lost += acked.lost
      for (const count of Object.values(figures.failures)) lost += Number(count)
      phases.push(phase)
      console.log(JSON.stringify(phase))
    }
  }
  const ratio = (/** @type {'p50' | 'p99'} */ field, /** @type {string} */ ours, /** @type {string} */ theirs) => {
    const of = (/** @type {string} */ kind) =>
      phases.filter((phase) => phase.kind === kind).map((phase) => phase[field])
    const their = of(theirs)
    return summarize(of(ours).map((value, index) => value / Number(their[index])))
  }
  const ratios = (/** @type {string} */ ours, /** @type {string} */ theirs) => ({
    p50: ratio('p50', ours, theirs),
    p99: ratio('p99', ours, theirs),
  })
  const result = {
    machine: describeMachine(),
    goal,
    floodedToQuiet: ratios('flooded', 'quiet'),
    elsewhereToQuiet: ratios('elsewhere', 'quiet'),
    floodedToElsewhere: ratios('flooded', 'elsewhere'),
    lost,
    phases,
  }
  mkdirSync(new URL('./results', import.meta.url), { recursive: true })
  writeFileSync(new URL('./results/fairness.json', import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`)
  for (const [title, { p50, p99 }] of /** @type {const} */ ([
    [`flooded ÷ quiet (goal for the p99: ${goal})`, result.floodedToQuiet],
    ['flooded elsewhere ÷ quiet', result.elsewhereToQuiet],
    ['flooded ÷ flooded elsewhere', result.floodedToElsewhere],
  ])) {
    const range = `${p99.min.toFixed(2)} to ${p99.max.toFixed(2)}`
    console.log(`${title}: p50 ${p50.median.toFixed(2)}, p99 ${p99.median.toFixed(2)} (${range})`)
  }
  console.log(`calls and acknowledged sends lost: ${lost}`)
  const workers = [here, elsewhere].flatMap(({ flooder, busy, group }) => [flooder, busy, group])
  for (const worker of [quiet, ...workers]) await worker.quit()
} finally {
  await processes.stopAll()
}

/**
 * What was fired has arrived, or 5 s have passed: the next phase begins without it.
 *
 * @param {Worker} group
 */
async function settled(group) {
  let before = -1
  for (let waited = 0; waited < 5_000; waited += 100) {
    const received = await group.ask('received')
    if (received === before) return
    before = received
    await sleep(100)
  }
}
