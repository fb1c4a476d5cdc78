import { readFileSync } from 'node:fs'

/** Linux reports CPU time in ticks of 10 ms on every architecture that Node runs on (USER_HZ, proc(5)). */
const ticksPerSecond = 100

/** @param {number} pid @returns {number} user and system time of all its threads so far, s */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The second field is the program's name in brackets, and may hold spaces: count from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** @param {number} pid @returns {number} resident memory, KiB */
export function residentKiB(pid) {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (line === null) throw new Error(`process ${pid} has no VmRSS: it has ended`)
  return Number(line[1])
}
