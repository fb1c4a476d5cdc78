import { parseBalance, parseJson, parsePolicy, quote, SealwayError, type TrafficPolicy } from '@sealway/protocol'
import type { Command } from 'commander'
import { formatDuration, parseDuration } from '../settings/units.js'
import { UsageError } from './failure.js'
import { type Io, printJson, printTable } from './io.js'
import { ask, get, type RestOptions, withRestOptions } from './rest.js'

interface Options extends RestOptions {
  readonly action?: string
  readonly timeout?: string
  readonly retries?: string
  readonly balance?: string
  readonly json?: boolean
}

const examples = `
Examples:
  sealway policies set any:orders --timeout 2s --retries 3
  sealway policies set any:orders --action quote --balance sticky:customer.id
  sealway policies set '*' '{"breaker":{"failures":5,"openMs":5000},"retries":{"max":2,"whenNoPeer":true}}'
  sealway policies remove any:orders --action quote
`

export function addPolicies(program: Command, io: Io): void {
  const policies = program
    .command('policies')
    .description('List, set and remove policies for traffic')
    .addHelpText('after', examples)

  withRestOptions(policies.command('list'))
    .description('List the policies of a running mediator')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const { policies } = (await get(io, options, '/v1/policies')) as { policies: TrafficPolicy[] }
      if (options.json) return printJson(io, { policies })
      if (policies.length === 0) return io.out('no policies\n')
      printTable(io, ['TARGET', 'ACTION', 'TIMEOUT', 'RETRIES', 'BREAKER', 'BALANCE'], policies.map(row))
    })

  withRestOptions(policies.command('set'))
    .description('Set the policy of a target, in place of the one before; connected nodes follow it at once')
    .argument('<target>', "a node's name, any:<group>, group:<group>, or '*'")
    .argument('[settings]', 'JSON: timeout, retries, breaker, balance')
    .option('--action <action>', 'for this action only')
    .option('--timeout <duration>', 'deadline: 500ms, 2s')
    .option('--retries <count>', 'how often what is safe to repeat is tried again')
    .option('--balance <strategy>', 'mediator, round-robin, least-in-flight, random, or sticky:<field of the body>')
    .option('--json', 'print JSON')
    .action(async (target: string, settings: string | undefined, options: Options) => {
      const body = policyOf(target, settings, options)
      const policy = await ask(io, options, { method: 'POST', path: '/v1/policies', body, scope: 'admin:write' })
      if (options.json) printJson(io, policy)
      else io.out(`set the policy of ${nameOf(body)}\n`)
    })

  withRestOptions(policies.command('remove'))
    .description('Remove the policy of a target')
    .argument('<target>', 'as it was set')
    .option('--action <action>', 'the one for this action')
    .option('--json', 'print JSON')
    .action(async (target: string, { action, ...options }: Options) => {
      const query = action === undefined ? '' : `?${new URLSearchParams({ action })}`
      const path = `/v1/policies/${encodeURIComponent(target)}${query}`
      await ask(io, options, { method: 'DELETE', path, scope: 'admin:write' })
      const removed = { target, ...(action === undefined ? {} : { action }) }
      if (options.json) printJson(io, removed)
      else io.out(`removed the policy of ${nameOf(removed)}\n`)
    })
}

/** What was typed, checked here, so that what is wrong is said as wrong usage. */
function policyOf(target: string, settings: string | undefined, options: Options): TrafficPolicy {
  const { action, timeout, retries, balance } = options
  try {
    return parsePolicy({
      ...(settings === undefined ? {} : objectOf(settings)),
      target,
      ...(action === undefined ? {} : { action }),
      ...(timeout === undefined ? {} : { timeout: durationOf(timeout) }),
      ...(retries === undefined ? {} : { retries: Number(retries) }),
      ...(balance === undefined ? {} : { balance: balanceOf(balance) }),
    })
  } catch (error) {
    throw error instanceof SealwayError ? new UsageError(error.message) : error
  }
}

function objectOf(settings: string): object {
  const value = parseJson(settings)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new UsageError(`${quote(settings)} is not an object of settings, as in {"timeout":2000}`)
}

function durationOf(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new UsageError(`--timeout ${quote(text)} is not a duration: 500ms, 2s, 1m`)
  return ms
}

const balanceOf = (text: string) =>
  parseBalance(text.startsWith('sticky:') ? { sticky: text.slice('sticky:'.length) } : text)

const nameOf = ({ target, action }: { readonly target: string; readonly action?: string }): string =>
  action === undefined ? target : `${target}, action ${action}`

const row = ({ target, action, timeout, retries, breaker, balance }: TrafficPolicy): string[] => [
  target,
  action ?? 'all',
  timeout === undefined ? '-' : formatDuration(timeout),
  fieldsOf(retries),
  breaker === false ? 'none' : fieldsOf(breaker),
  balance === undefined ? '-' : typeof balance === 'string' ? balance : `sticky:${balance.sticky}`,
]

const fieldsOf = (settings: object | undefined): string => {
  const entries = Object.entries(settings ?? {})
  return entries.length === 0 ? '-' : entries.map(([name, value]) => `${name}=${String(value)}`).join(' ')
}
