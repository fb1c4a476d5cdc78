import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from './harness/machine.mjs'
import { Worker } from './harness/measure.mjs'
import { cpuSeconds, machineCpuSeconds, waitedSeconds } from './harness/proc.mjs'
import { Processes } from './harness/processes.mjs'
import { summarize } from './harness/statistics.mjs'
import { sealway } from './systems/sealway/system.mjs'

/**
 * Row R12: twenty nodes call each other at a light pace while one more fires as fast as it can, at a node that is busy
 * and at a group of ten. Three phases take turns in one run, as the machine drifts: quiet, flooded, and with the same
 * flood through another mediator, which shares nothing with the callers but the machine. So it can be told what the
 * mediator does to them from what the cores do. Mediators, callers, flooders and flooded are processes of their own.
 *
 * `--pin` gives the mediator and the callers two cores, and all who flood and are flooded two others (four cores, Linux):
 * what is left then is the mediator's. `--nice` lets the flooders and the flooded run only where nobody else wants a
 * core (SCHED_IDLE, Linux), as if they had machines of their own. `--others 0.3` takes a phase again in which other
 * programs had more than so many cores. Beside its latencies each phase tells how long the mediator and the callers were
 * ready to run and had no core.
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
    nice: { type: 'boolean' },
    pin: { type: 'boolean' },
    others: { type: 'string' },
  },
})
const ms = Number(values.seconds) * 1_000
const rounds = Math.max(3, Number(values.rounds))
/** A phase in which other programs took more of the machine than this is taken again, at most so often; cores. */
const othersLimit = Number(values.others ?? Number.POSITIVE_INFINITY)
const retakes = 10
const crowd = fileURLToPath(new URL('./harness/crowd.mjs', import.meta.url))
const processes = new Processes(values.prof ? { profileFolder: fileURLToPath(new URL('./tmp', import.meta.url)) } : {})
processes.stopAtSignals()
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
  const arenas = [here, elsewhere]
  const members = names('caller', callers).map((name) => ({ name, groups: ['callers'] }))
  const quiet = await start('callers', { endpoint: here.endpoint, members })
  const floods = arenas.flatMap(({ flooder, busy, group }) => [flooder, busy, group])
  if (values.nice) for (const { running } of floods) execFileSync('chrt', ['-a', '-i', '-p', '0', String(running.pid)])
  if (values.pin) {
    pin('0-1', [elsewhere.pid, ...floods.map(({ running }) => running.pid)])
    pin('2-3', [here.pid, quiet.running.pid])
  }

  /** What others on this machine have taken of it so far, s. */
  const othersSeconds = () => {
    const workers = [quiet, ...arenas.flatMap(({ flooder, busy, group }) => [flooder, busy, group])]
    const ours = [process.pid, here.pid, elsewhere.pid, ...workers.map(({ running }) => running.pid)]
    return machineCpuSeconds() - ours.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  }

  let lost = 0
  const take = async (/** @type {number} */ round, /** @type {string} */ kind) => {
    const flooded = kind === 'quiet' ? undefined : kind === 'flooded' ? here : elsewhere
    const before = {
      cpu: cpuSeconds(here.pid),
      others: othersSeconds(),
      mediatorWaited: waitedSeconds(here.pid),
      callersWaited: waitedSeconds(quiet.running.pid),
      received: await flooded?.group.ask('received'),
      at: Date.now(),
    }
    await flooded?.flooder.ask('flood', { targets: ['busy', 'group:sinks'] })
    const { acked, ...figures } = await quiet.ask('exchange', { ms }, ms + 60_000)
    const seconds = (Date.now() - before.at) / 1_000
    const phase = {
      round,
      kind,
      ...figures,
      acked,
      mediatorCpu: (cpuSeconds(here.pid) - before.cpu) / seconds,
      mediatorWaited: (waitedSeconds(here.pid) - before.mediatorWaited) / seconds,
      callersWaited: (waitedSeconds(quiet.running.pid) - before.callersWaited) / seconds,
      othersCpu: (othersSeconds() - before.others) / seconds,
      fired: 0,
      refused: 0,
      groupPerSecond: 0,
    }
    if (flooded) {
      phase.groupPerSecond = Math.round(((await flooded.group.ask('received')) - before.received) / seconds)
      Object.assign(phase, await flooded.flooder.ask('calm'))
      await settled(flooded.group)
    }
    lost += acked.lost
    for (const count of Object.values(figures.failures)) lost += Number(count)
    return phase
  }

  await quiet.ask('exchange', { ms: 1_000 })
  /** @type {{ round: number, kind: string, p50: number, p99: number, [more: string]: unknown }[]} */
  const phases = []
  for (let round = 1; round <= rounds; round++) {
    for (const kind of kinds) {
      let phase = await take(round, kind)
      for (let again = 0; again < retakes && phase.othersCpu > othersLimit; again++) phase = await take(round, kind)
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
  const workers = arenas.flatMap(({ flooder, busy, group }) => [flooder, busy, group])
  for (const worker of [quiet, ...workers]) await worker.quit()
} finally {
  await processes.stopAll()
}

/**
 * Cores of their own for these, with all their threads.
 *
 * @param {string} cores
 * @param {readonly number[]} pids
 */
function pin(cores, pids) {
  for (const pid of pids) execFileSync('taskset', ['-a', '-p', '-c', cores, String(pid)])
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
