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

/** @param {number} pid @returns {number} how long its main thread has been ready to run, and had no core, so far, s */
export function waitedSeconds(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e9
}

/** @returns {number} user and system time of every process of this machine so far, s */
export function machineCpuSeconds() {
  const line = /^cpu +(\d+) (\d+) (\d+) /m.exec(readFileSync('/proc/stat', 'latin1'))
  if (line === null) throw new Error('/proc/stat has no line of all cores')
  return (Number(line[1]) + Number(line[2]) + Number(line[3])) / ticksPerSecond
}

/** @param {number} pid @returns {number} resident memory, KiB */
export function residentKiB(pid) {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (line === null) throw new Error(`process ${pid} has no VmRSS: it has ended`)
  return Number(line[1])
}
