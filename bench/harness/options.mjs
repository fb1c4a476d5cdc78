import { parseArgs } from 'node:util'
import { systems } from '../systems/index.mjs'
import { cases, measurements } from './cases.mjs'

export const help = `node bench/run.mjs [options]

  --quick            sealway, nats, ws and raw in at most 4 minutes; writes results/quick.json
  --systems a,b      only these: ${systems.map(({ name }) => name).join(' ')}
  --cases a,b        only these: ${[...cases.keys()].join(' ')}
  --rounds n         3 unless told
  --seconds s        how long each measurement counts
  --warm-up s        how long each measurement runs before that
  --links n          idle links, instead of 5,000
  --minutes m        no measurement starts later than this
  --prof             profiles every Node process into bench/tmp, one round, and prints where the time went

A run of everything writes RESULTS.md and results/latest.json; one of a part, results/partial.json.`

const quickSystems = ['sealway', 'nats', 'ws', 'raw']
const full = { measureMs: 800, warmUpMs: 300, minutes: 19.5, idleRounds: 1 }
/** Idle links take long to set up: once has to do here. */
const quick = { measureMs: 500, warmUpMs: 250, minutes: 3.7, idleRounds: 1 }

/**
 * @param {readonly string[]} argv
 * @returns {import('./rounds.mjs').Plan & { kind: 'full' | 'quick' | 'partial', help: boolean }}
 * @throws Error naming an option, system or case that does not exist
 */
export function parseOptions(argv) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      systems: { type: 'string' },
      cases: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      links: { type: 'string' },
      minutes: { type: 'string' },
      prof: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const defaults = values.quick ? quick : full
  const systemNames = chosen('system', values.systems, values.quick ? quickSystems : systems.map(({ name }) => name), [
    ...systems.map(({ name }) => name),
  ])
  const caseNames = new Set(chosen('case', values.cases, [...cases.keys()], [...cases.keys()]))
  const links = positive('--links', values.links)
  const partial = Boolean(values.systems ?? values.cases ?? values.links) || values.prof
  return {
    kind: partial ? 'partial' : values.quick ? 'quick' : 'full',
    profile: values.prof,
    help: values.help,
    systems: systems.filter(({ name }) => systemNames.includes(name)),
    cases: caseNames,
    measurements: measurements
      .filter((measurement) => measurement.cases.some((name) => caseNames.has(name)))
      .map((measurement) => (measurement.kind === 'idle' && links ? { ...measurement, links } : measurement)),
    idleRounds: defaults.idleRounds,
    rounds: values.prof ? 1 : (positive('--rounds', values.rounds) ?? 3),
    times: {
      warmUpMs: (positive('--warm-up', values['warm-up']) ?? defaults.warmUpMs / 1_000) * 1_000,
      measureMs: (positive('--seconds', values.seconds) ?? defaults.measureMs / 1_000) * 1_000,
    },
    budgetMs: (positive('--minutes', values.minutes) ?? defaults.minutes) * 60_000,
  }
}

/**
 * @param {string} what
 * @param {string | undefined} list
 * @param {readonly string[]} otherwise
 * @param {readonly string[]} known
 */
function chosen(what, list, otherwise, known) {
  if (list === undefined) return otherwise
  const names = list.split(',').map((name) => name.trim())
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`there is no ${what} '${name}': ${known.join(', ')}`)
  }
  return names
}

/** @param {string} option @param {string | undefined} text @returns {number | undefined} */
function positive(option, text) {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!(number > 0)) throw new Error(`${option} is a number above 0, not '${text}'`)
  return number
}
