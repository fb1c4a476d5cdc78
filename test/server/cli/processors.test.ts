import { processors } from '../../../server/src/cli/processors'

const of = (parallelism: number, files: { readonly [file: string]: string }) =>
  processors(parallelism, (file) => files[file])

it.each<[string, number, { [file: string]: string }, number]>([
  ['without a limit', 8, {}, 8],
  ['a limit that is none', 8, { 'cpu.max': 'max 100000\n' }, 8],
  ['half a processor', 8, { 'cpu.max': '50000 100000\n' }, 0.5],
  ['two and a half', 8, { 'cpu.max': '250000 100000\n' }, 2.5],
  ['more than there are', 2, { 'cpu.max': '400000 100000\n' }, 2],
  ['cgroup v1', 8, { 'cpu/cpu.cfs_quota_us': '150000\n', 'cpu/cpu.cfs_period_us': '100000\n' }, 1.5],
  ['cgroup v1 without a limit', 8, { 'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n' }, 8],
  ['a file that says something else', 8, { 'cpu.max': 'what is this\n' }, 8],
  ['an empty file', 8, { 'cpu.max': '' }, 8],
])('%s', (_, parallelism, files, expected) => {
  expect(of(parallelism, files)).toBe(expected)
})
