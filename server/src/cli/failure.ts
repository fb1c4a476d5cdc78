import { SealwayError } from '@sealway/protocol'
import { CommanderError } from 'commander'
import { scrubText } from '../observe/scrub.js'
import { exitCode, type Io } from './io.js'

/** A command that was called wrongly, beyond what the parser of options can see. */
export class UsageError extends Error {}

/**
 * Says on standard error what went wrong, in one line, or as `{ "error": { "code", "message" } }`.
 * A stack only at LOG_LEVEL=debug, and for what is not one of our errors.
 * @param command whose help is named to whoever called it wrongly
 * @returns the exit code
 */
export function reportFailure(io: Io, json: boolean, error: unknown, command: string): number {
  if (error instanceof CommanderError && error.exitCode === 0) return exitCode.done
  // A command of commands without one: its help, which was printed, says all there is.
  if (error instanceof CommanderError && error.code === 'commander.help' && !json) return exitCode.usage
  const isUsage = error instanceof CommanderError || error instanceof UsageError
  const code = error instanceof SealwayError ? error.code : isUsage ? 'INVALID_ARGUMENT' : 'INTERNAL'
  const message = scrubText(messageOf(error))
  if (json) io.err(`${JSON.stringify({ error: { code, message } })}\n`)
  else if (isUsage) io.err(`sealway: ${message}\n  \`${command} --help\` shows how it is used\n`)
  else io.err(`sealway: ${code}: ${message}\n`)
  if (!isUsage && !json && (io.environment.LOG_LEVEL === 'debug' || code === 'INTERNAL')) io.err(stackOf(error))
  return isUsage ? exitCode.usage : exitCode.failed
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/^error: /, '') : String(error)

const stackOf = (error: unknown): string => (error instanceof Error && error.stack ? `${scrubText(error.stack)}\n` : '')
