import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** How many functions are shown of each process. */
const shown = 20

/**
 * The functions that took most of the time by themselves, for every profile of a folder.
 *
 * @param {string} folder
 * @returns {string}
 */
export function topOfProfiles(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'))
  return files.map((file) => `${file}\n${topOf(path.join(folder, file))}`).join('\n\n')
}

/** @param {string} file a .cpuprofile (V8's format: nodes, samples, and us between samples) */
export function topOf(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'))
  /** @type {Map<number, string>} */
  const names = new Map(nodes.map((/** @type {any} */ node) => [node.id, nameOf(node.callFrame)]))
  /** @type {Map<string, number>} */
  const self = new Map()
  let idle = 0
  let busy = 0
  for (let i = 0; i < samples.length; i++) {
    const name = names.get(samples[i]) ?? '?'
    const us = Math.max(0, timeDeltas[i])
    if (name === '(idle)') {
      idle += us
      continue
    }
    busy += us
    self.set(name, (self.get(name) ?? 0) + us)
  }
  const lines = [...self]
    .sort((a, b) => b[1] - a[1])
    .slice(0, shown)
    .map(
      ([name, us]) =>
        `  ${((us / busy) * 100).toFixed(1).padStart(5)} %  ${(us / 1_000).toFixed(0).padStart(6)} ms  ${name}`,
    )
  return [
    `  busy ${(busy / 1e6).toFixed(2)} s, idle ${(idle / 1e6).toFixed(2)} s; share of the busy time:`,
    ...lines,
  ].join('\n')
}

/** @param {{ functionName: string, url: string, lineNumber: number }} frame */
function nameOf({ functionName, url, lineNumber }) {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  const place = url
    .replace(/^file:\/\//, '')
    .split('/')
    .slice(-3)
    .join('/')
  return `${name}  ${place}:${lineNumber + 1}`
}
