import type { Command } from 'commander'
import { checkDatabase } from './doctor/database.js'
import type { Finding } from './doctor/finding.js'
import { checkLimits } from './doctor/limits.js'
import { checkMediator } from './doctor/mediator.js'
import { checkNodeUrl } from './doctor/node-url.js'
import { checkSettings } from './doctor/settings.js'
import { exitCode, type Io, printJson } from './io.js'
import { type LiveOptions, withLiveOptions } from './live-feed.js'

interface Options extends LiveOptions {
  readonly json?: boolean
  readonly strict?: boolean
}

const marks = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const

/** @param done takes the exit code */
export function addDoctor(program: Command, io: Io, done: (code: number) => void): void {
  withLiveOptions(program.command('doctor'))
    .description('Check settings, ports, clocks, database, keys, limits and traffic, and say what to do')
    .option('--strict', 'fail for warnings, too')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const findings: Finding[] = []
      for (const check of [checkSettings, checkLimits, checkDatabase, checkMediator, checkNodeUrl]) {
        if (io.isTerminal && !options.json) io.err('.')
        findings.push(...(await check(io, options)))
      }
      if (io.isTerminal && !options.json) io.err('\r')
      const failed = findings.some(({ state }) => state === 'fail' || (state === 'warn' && options.strict === true))
      if (options.json) printJson(io, { healthy: !failed, findings })
      else for (const finding of findings) io.out(lineOf(finding))
      done(failed ? exitCode.failed : exitCode.done)
    })
}

const lineOf = ({ state, about, text, advice }: Finding): string =>
  `${marks[state]}  ${about.padEnd(9)} ${text}\n${advice === undefined ? '' : `                -> ${advice}\n`}`
