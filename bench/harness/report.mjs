import { cases } from './cases.mjs'
import { round3 } from './rounds.mjs'
import { pairedRatio, summarize } from './statistics.mjs'

/** What every other system is compared with. */
const ours = 'sealway'

/**
 * @typedef {import('./rounds.mjs').Run} Run
 * @typedef {{ median: number, min: number, max: number, unit: string }} Result
 *
 * @typedef {object} Report
 * @property {ReturnType<typeof import('./machine.mjs').describeMachine>} machine
 * @property {Record<string, string>} versions
 * @property {Record<string, Record<string, Result & { p99?: Result }>>} cases by case, then by system
 */

/**
 * @param {Run} run
 * @param {Report['machine']} machine
 * @param {Report['versions']} versions
 * @returns {Report} the shape of results/latest.json
 */
export function createReport(run, machine, versions) {
  /** @type {Report['cases']} */
  const results = {}
  for (const [name, { unit }] of cases) {
    const readings = run.readings.filter((reading) => reading.case === name)
    for (const system of new Set(readings.map((reading) => reading.system))) {
      const own = readings.filter((reading) => reading.system === system)
      const p99 = own.flatMap((reading) => (reading.p99 === undefined ? [] : [reading.p99]))
      results[name] ??= {}
      results[name][system] = {
        ...summarize(own.map((reading) => reading.value)),
        unit,
        ...(p99.length === 0 ? {} : { p99: { ...summarize(p99), unit } }),
      }
    }
  }
  const absent = Object.fromEntries([...run.absent].map(([system, reason]) => [system, reason]))
  return { machine, versions: { ...versions, ...absent }, cases: results }
}

/**
 * @param {object} input
 * @param {string} input.title
 * @param {Run} input.run
 * @param {Report} input.report
 * @param {import('./rounds.mjs').Plan} input.plan
 * @returns {string} RESULTS.md
 */
export function writeMarkdown({ title, run, report, plan }) {
  const { machine } = report
  const { warmUpMs, measureMs } = plan.times
  return [
    `# ${title}`,
    'Written by `make bench`; do not edit. How it is measured: [README.md](README.md).',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; Linux ${machine.kernel}; Node ${machine.node}; ` +
      `load before the run ${machine.loadBefore}. ${plan.rounds} rounds, each measurement ${warmUpMs / 1000} s to warm up ` +
      `and ${measureMs / 1000} s that count; ${(run.tookMs / 60_000).toFixed(1)} minutes in all.`,
    'Only ratios within one run mean anything: the same machine drifts. Every ratio below is Sealway divided by the ' +
      'system of its line, taken round by round; shown is the median of the rounds, with the lowest and the highest.',
    '## Medians at a glance',
    glance(report, plan.systems),
    ...[...cases].flatMap(([name, { title: caseTitle, unit, better }]) =>
      report.cases[name] === undefined
        ? []
        : [`## ${name}`, `${caseTitle}; ${unit}, ${better} is better.`, caseTable(name, run, report, plan.systems)],
    ),
    '## Lost',
    losses(run),
    '## Not measured',
    notMeasured(run, plan),
    '## Systems',
    table(
      ['system', 'versions', 'settings'],
      plan.systems.map(({ name, settings }) => [`\`${name}\``, report.versions[name] ?? '', settings]),
    ),
  ]
    .join('\n\n')
    .concat('\n')
}

/** @param {Report} report @param {import('./rounds.mjs').Plan['systems']} systems */
function glance(report, systems) {
  const measured = systems.filter(({ name }) =>
    Object.values(report.cases).some((results) => results[name] !== undefined),
  )
  const rows = Object.entries(report.cases).map(([name, results]) => [
    `\`${name}\``,
    cases.get(name)?.unit ?? '',
    ...measured.map((system) => {
      const result = results[system.name]
      return result === undefined ? '' : round3(result.median)
    }),
  ])
  return table(['case', 'unit', ...measured.map(({ name }) => name)], rows)
}

/**
 * @param {string} name
 * @param {Run} run
 * @param {Report} report
 * @param {import('./rounds.mjs').Plan['systems']} systems
 */
function caseTable(name, run, report, systems) {
  const readings = run.readings.filter((reading) => reading.case === name)
  const rows = systems.flatMap((system) => {
    const result = report.cases[name]?.[system.name]
    if (result === undefined) return []
    const { p99 } = result
    const label = `\`${system.name}\``
    return [
      row(p99 === undefined ? label : `${label} p50`, result, pairedRatio(readings, ours, system.name)),
      ...(p99 === undefined ? [] : [row(`${label} p99`, p99, pairedRatio(readings, ours, system.name, 'p99'))]),
    ]
  })
  return table(['system', 'median', 'min', 'max', `${ours} ÷ it`], rows)
}

/**
 * @param {string} label
 * @param {Result} result
 * @param {import('./statistics.mjs').Summary | undefined} ratio
 */
function row(label, { median, min, max }, ratio) {
  const compared =
    ratio === undefined ? '' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`
  return [label, round3(median), round3(min), round3(max), compared]
}

/** @param {Run} run */
function losses({ losses: found }) {
  if (found.length === 0) return 'Nothing: every message sent was counted at its receiver, every call was answered.'
  return table(
    ['round', 'case', 'system', 'sent', 'lost', 'of a wrong length'],
    found.map(({ round, measurement, system, sent, lost, wrong }) =>
      [round, measurement, system, sent, lost, wrong].map(String),
    ),
  )
}

/** @param {Run} run @param {import('./rounds.mjs').Plan} plan */
function notMeasured(run, plan) {
  const lines = [
    ...[...run.absent].map(([system, reason]) => `- \`${system}\`: ${reason}`),
    ...plan.systems.flatMap(({ name, without = {} }) =>
      Object.entries(without).map(([caseName, why]) => `- \`${name}\`, ${caseName}: ${why}`),
    ),
    ...run.failures.map(
      ({ round, system, measurement, reason }) =>
        `- \`${system}\`, ${measurement}, round ${round}: failed, ${reason.split('\n')[0]}`,
    ),
    ...(run.skipped === 0 ? [] : [`- ${run.skipped} measurements that the time was over for`]),
  ]
  return lines.length === 0 ? 'Nothing was left out.' : lines.join('\n')
}

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
