// Draws docs/images/benchmark.svg from bench/results/latest.json. `node scripts/chart.mjs`; a test says when it is not current.
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { cases } from '../bench/harness/cases.mjs'

/** What is shown: where Sealway is ahead, and where it is not. */
const shown = [
  ...['oneway-128', 'oneway-1024', 'oneway-65536'],
  ...['turn-128', 'call-64-128', 'call-1-128'],
  ...['fanout-50-128', 'fanout-50-1024', 'paced-128'],
]
/** Where the case's own title is wider than a panel. @type {Record<string, string>} */
const shorter = { 'turn-128': 'one way, 128 B, one a turn', 'paced-128': 'latency at 10,000 messages/s' }
const systems = ['sealway', 'nats', 'redis', 'mosquitto', 'rabbitmq', 'ws', 'socketio', 'moleculer-tcp']

// In px. A panel is a title and a bar for each system.
const columns = 3
const panel = { width: 300, height: 186, left: 92, top: 40, bar: 13, gap: 4, bars: 132 }
const margin = { top: 58, side: 14, bottom: 14 }

/**
 * @typedef {Record<string, { median: number, unit: string }>} Figures by system
 * @param {{ machine: { cpu: string, cores: number, node: string }, cases: Record<string, Figures> }} results
 * @returns {string} an SVG, the same for the same results
 */
export function drawChart(results) {
  const known = shown.filter((name) => results.cases[name])
  const rows = Math.ceil(known.length / columns)
  const width = columns * panel.width + 2 * margin.side
  const height = margin.top + rows * panel.height + margin.bottom
  const { cpu, cores, node } = results.machine
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">Sealway, with sealed payloads, beside others, whose payloads are in clear</title>`,
    `<style>${style}</style>`,
    `<rect class="back" width="${width}" height="${height}" rx="8"/>`,
    text(margin.side, 24, 'Sealway seals every payload; the others carry them in clear', 'head'),
    text(
      margin.side,
      43,
      `medians of one run: ${cpu}, ${cores} cores, Node ${node}; only ratios within a run mean anything`,
      'note',
    ),
    ...known.flatMap((name, i) =>
      drawPanel(
        name,
        results.cases[name] ?? {},
        margin.side + (i % columns) * panel.width,
        margin.top + Math.floor(i / columns) * panel.height,
      ),
    ),
    '</svg>',
    '',
  ].join('\n')
}

/**
 * @param {string} name
 * @param {Figures} figures
 * @param {number} x
 * @param {number} y
 */
function drawPanel(name, figures, x, y) {
  const { title = name, better = '', unit = '' } = cases.get(name) ?? {}
  const present = systems.flatMap((system) => {
    const median = figures[system]?.median
    return median === undefined ? [] : [{ system, median }]
  })
  const most = Math.max(...present.map(({ median }) => median))
  return [
    text(x, y + 16, shorter[name] ?? title, 'title'),
    text(x, y + 31, `${unit}, ${better} is better`, 'note'),
    ...present.flatMap(({ system, median }, i) => {
      const top = y + panel.top + i * (panel.bar + panel.gap)
      const length = Math.max(1, Math.round((median / most) * panel.bars))
      const middle = top + panel.bar - 3
      return [
        text(x + panel.left - 6, middle, system, 'name'),
        `<rect class="${system === 'sealway' ? 'ours' : 'other'}" x="${x + panel.left}" y="${top}" width="${length}" height="${panel.bar}" rx="2"/>`,
        text(x + panel.left + length + 5, middle, short(median), 'value'),
      ]
    }),
  ]
}

/** Three digits that count. @param {number} value */
function short(value) {
  if (value >= 999_500) return `${(value / 1_000_000).toPrecision(3)} M`
  if (value >= 9_995) return `${(value / 1_000).toPrecision(3)} k`
  return String(Math.round(value))
}

/** @param {number} x @param {number} y @param {string} content @param {string} kind */
const text = (x, y, content, kind) => `<text class="${kind}" x="${x}" y="${y}">${escaped(content)}</text>`

/** @param {string} content */
const escaped = (content) => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const style = [
  'text{font:12px system-ui,sans-serif;fill:#24292f}',
  '.head{font-size:15px;font-weight:600}.title{font-weight:600}',
  '.note{font-size:10.5px;fill:#57606a}.name{text-anchor:end;font-size:11px}.value{font-size:10.5px}',
  '.back{fill:#fff}.ours{fill:#0b7285}.other{fill:#b6bec8}',
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.back{fill:#0d1117}.ours{fill:#3bc9db}.other{fill:#4b5563}}',
].join('')

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))
if (process.argv[1] === here('./chart.mjs')) {
  const results = JSON.parse(readFileSync(here('../bench/results/latest.json'), 'utf8'))
  writeFileSync(here('../docs/images/benchmark.svg'), drawChart(results))
}
