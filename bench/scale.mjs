import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from './harness/machine.mjs'
import { measure, Worker } from './harness/measure.mjs'
import { Processes } from './harness/processes.mjs'
import { summarize } from './harness/statistics.mjs'
import { sealway } from './systems/sealway/system.mjs'

/**
 * Whether a message costs the same whoever else is there: mediators with few and many nodes, in few and many groups,
 * all of them idle but one pair, measured in turn in one run. Each stands for itself the whole time.
 */
const worlds = [
  { name: '10 nodes, 1 group', nodes: 10, groups: 1 },
  { name: '100 nodes, 1 group', nodes: 100, groups: 1 },
  { name: '1,000 nodes, 1 group', nodes: 1_000, groups: 1 },
  { name: '1,000 nodes, 10 groups', nodes: 1_000, groups: 10 },
  { name: '1,000 nodes, 100 groups', nodes: 1_000, groups: 100 },
]
/** What all are compared with: nodes with the first, groups with as many nodes in one group. */
const bases = [0, 0, 0, 2, 2]
/** Those whose group answers calls to any of its members. */
const pools = [0, 2]
/** Share by which a cost may differ. */
const goal = 0.15

const anyClient = fileURLToPath(new URL('./systems/sealway/any-client.mjs', import.meta.url))
/** `cpu-oneway-128` stands for the mediator's CPU time per million, whatever is measured. */
const measurements = [
  { name: 'oneway-128', kind: 'bursts', bytes: 128, receivers: 1, cases: ['oneway-128', 'cpu-oneway-128'] },
  {
    name: 'call-64-128',
    kind: 'calls',
    bytes: 128,
    receivers: 1,
    inFlight: 64,
    cases: ['call-64-128', 'cpu-oneway-128'],
  },
  {
    name: 'any-64-128',
    kind: 'calls',
    bytes: 128,
    receivers: 1,
    inFlight: 64,
    cases: ['any-64-128', 'cpu-oneway-128'],
  },
]

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '6' },
    cases: { type: 'string' },
  },
})
const rounds = Math.max(3, Number(values.rounds))
const times = { warmUpMs: 400, measureMs: Number(values.seconds) * 1_000 }
/** In a group of 1,000 each member's first message makes its route and derives its keys: not what is measured, ms. */
const poolWarmUpMs = 3_000
const crowd = fileURLToPath(new URL('./harness/crowd.mjs', import.meta.url))
const processes = new Processes()
processes.stopAtSignals()
try {
  const idle = []
  /** @type {import('./harness/measure.mjs').Server[]} */
  const servers = []
  for (const { nodes, groups } of worlds) {
    const server = await sealway.start(processes)
    // The pair that is measured belongs to the number.
    const members = Array.from({ length: nodes - 2 }, (_, index) => ({
      name: `idle-${index}`,
      groups: [`pool-${index % groups}`],
    }))
    const worker = new Worker(processes, 'idle', crowd)
    await worker.ask('join', { endpoint: server.endpoint, members }, 60_000)
    idle.push(worker)
    servers.push(server)
  }

  /** @type {{ round: number, world: number, case: string, perSecond: number, cpu: number, lost: number }[]} */
  const readings = []
  let serial = 0
  for (let round = 1; round <= rounds; round++) {
    for (const measurement of measurements) {
      if (values.cases && !values.cases.split(',').includes(measurement.name)) continue
      const any = measurement.name === 'any-64-128'
      const indices = any ? pools : worlds.map((_, index) => index)
      for (let turn = 0; turn < indices.length; turn++) {
        // Who comes first changes with each round.
        const world = Number(indices[(turn + round) % indices.length])
        const server = servers[world]
        if (server === undefined) throw new Error('a world without a server')
        const { figures, lost, wrong } = await measure({
          processes,
          system: any ? { ...sealway, client: anyClient } : sealway,
          server,
          measurement: /** @type {import('./harness/cases.mjs').Measurement} */ (measurement),
          times: any ? { ...times, warmUpMs: poolWarmUpMs } : times,
          serial: ++serial,
        })
        const reading = {
          round,
          world,
          case: measurement.name,
          perSecond: Math.round(Number(figures[measurement.name]?.value)),
          cpu: Number(figures['cpu-oneway-128']?.value),
          lost: lost + wrong,
        }
        readings.push(reading)
        console.log(
          `round ${round}  ${measurement.name}  ${worlds[world]?.name}: ${reading.perSecond}/s, ${reading.cpu.toFixed(2)} CPU s per million, lost ${reading.lost}`,
        )
      }
    }
  }

  const rows = measurements.flatMap(({ name }) =>
    worlds.flatMap((world, index) => {
      const base = Number(bases[index])
      const of = (/** @type {number} */ which) => readings.filter((one) => one.case === name && one.world === which)
      const ours = of(index)
      const theirs = name === 'any-64-128' ? of(0) : of(base)
      if (ours.length === 0) return []
      const ratio = (/** @type {'perSecond' | 'cpu'} */ field) =>
        summarize(ours.map((one, round) => one[field] / Number(theirs[round]?.[field])))
      return [{ case: name, world: world.name, perSecond: ratio('perSecond'), cpu: ratio('cpu') }]
    }),
  )
  const lost = readings.reduce((sum, one) => sum + one.lost, 0)
  const result = { machine: describeMachine(), goal, rows, lost, readings }
  mkdirSync(new URL('./results', import.meta.url), { recursive: true })
  writeFileSync(new URL('./results/scale.json', import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`)
  const text = (/** @type {import('./harness/statistics.mjs').Summary} */ { median, min, max }) =>
    `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`
  for (const row of rows) {
    console.log(`${row.case}  ${row.world}: rate ${text(row.perSecond)}, mediator CPU ${text(row.cpu)}`)
  }
  console.log(`goal: within ${goal * 100} %; lost: ${lost}`)
  for (const worker of idle) await worker.quit()
} finally {
  await processes.stopAll()
}
