import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot, runProgram } from './support/program'

const draw = (results: string) =>
  runProgram('node', [
    '--input-type=module',
    '--eval',
    `import { readFileSync } from 'node:fs'
     import { drawChart } from './scripts/chart.mjs'
     process.stdout.write(drawChart(JSON.parse(readFileSync(${JSON.stringify(results)}, 'utf8'))))`,
  ])
const latest = join(repositoryRoot, 'bench/results/latest.json')

it('docs/images/benchmark.svg shows bench/results/latest.json (else: node scripts/chart.mjs)', () => {
  const { status, output } = draw(latest)
  expect([status, output]).toEqual([0, readFileSync(join(repositoryRoot, 'docs/images/benchmark.svg'), 'utf8')])
})

it('shows every case with Sealway in it, also those where others are ahead', () => {
  const svg = readFileSync(join(repositoryRoot, 'docs/images/benchmark.svg'), 'utf8')
  const { cases } = JSON.parse(readFileSync(latest, 'utf8')) as { cases: { [name: string]: object } }
  expect(svg.match(/class="ours"/g)).toHaveLength(9)
  for (const name of ['call-1-128', 'oneway-65536', 'fanout-50-1024']) expect(cases).toHaveProperty([name, 'sealway'])
  expect(svg).toContain('calls, 128 B, 1 in flight')
})
