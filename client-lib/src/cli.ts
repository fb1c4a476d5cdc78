#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs, parseEnv } from 'node:util'
import { SealwayError } from '@sealway/protocol'
import { readBody } from './cli/body.js'
import { commonFlags, type FlagName, type FlagValues, flags } from './cli/flags.js'
import { helpOf, overview } from './cli/help.js'
import { count, UsageError } from './cli/usage.js'
import type { Verb } from './cli/verb.js'
import { verbs } from './cli/verbs.js'
import { connect } from './node.js'
import type { ConnectOptions } from './options.js'

const defaultTimeoutMs = 10_000
/** The group of the first five minutes. */
const defaultGroup = 'demo'
/** The program that a person typed, for messages: `sealway` starts this one for its verbs. */
const program = process.env.SEALWAY_PROGRAM || 'sealway-node'

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json')
  const name = args[0] ?? ''
  const verb = verbs.get(name)
  let hint: string | undefined
  try {
    if (!verb) {
      if (args.length === 0 || name === '--help' || name === '-h') {
        process.stdout.write(overview(program))
        return args.length === 0 ? 2 : 0
      }
      throw new UsageError(name.startsWith('-') ? 'the verb comes first' : `unknown command ${JSON.stringify(name)}`)
    }
    const { values, args: given, body } = parse(verb, args.slice(1))
    if (values.help) {
      process.stdout.write(helpOf(program, name, verb))
      return 0
    }
    loadNodeEnvironment()
    const text = (flag: FlagName) => values[flag] as string | undefined
    const texts = (flag: FlagName) => (values[flag] as readonly string[] | undefined) ?? []
    const timeout = count('timeout', text('timeout'), defaultTimeoutMs)
    const connecting = { ...groupsFor(verb, given[0]!, values), timeout, ...linkOptions(values) }
    if (!values.reach && !values.group)
      hint = `this command reaches the group ${connecting.reaches ?? connecting.groups} alone`
    const read = readBody(body, values.text === true || verb.rawBody === true)
    const stop = stopSignal()
    const node = await connect({ ...connecting, signal: stop })
    try {
      const isDone = await verb.run({
        ...{ node, args: given, body: read, timeout, signal: stop, text, texts },
        has: (flag) => values[flag] === true,
        print: (value, words) => void process.stdout.write(`${json ? JSON.stringify(value) : words}\n`),
      })
      return isDone ? 0 : 1
    } finally {
      await node.drain({ timeout })
    }
  } catch (error) {
    return fail(error, { json, command: verb ? `${program} ${name}` : program, hint })
  }
}

/** @throws UsageError */
function parse(verb: Verb, args: readonly string[]) {
  const own = new Set<FlagName>([...verb.flags, ...commonFlags])
  const options = Object.fromEntries(
    Object.entries(flags)
      .filter(([name]) => own.has(name as FlagName))
      .map(([name, flag]) => [
        name,
        { type: flag.type, multiple: 'multiple' in flag, ...(name === 'help' ? { short: 'h' } : {}) },
      ]),
  )
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const wanted = verb.usage.match(/<[^<>]+>/g) ?? []
  const takesBody = verb.usage.endsWith('[body]')
  if (!values.help) {
    const missing = wanted[positionals.length]
    if (missing !== undefined) throw new UsageError(`${missing} is missing`)
    const most = wanted.length + (takesBody ? 1 : 0)
    if (positionals.length > most) {
      const advice = takesBody ? ': put the body in quotes' : ''
      throw new UsageError(`${most} arguments at most, not ${positionals.length}${advice}`)
    }
  }
  return {
    values: values as FlagValues,
    args: positionals.slice(0, wanted.length),
    body: positionals[wanted.length],
  }
}

/** The groups that were named, or else the one that is addressed. */
function groupsFor(
  verb: Verb,
  target: string,
  { group, reach }: FlagValues,
): Pick<ConnectOptions, 'groups' | 'reaches'> {
  const fallback = verb.groupIn(target) ?? process.env.SEALWAY_GROUP ?? defaultGroup
  if (verb.joins) return { groups: (group as string[]) ?? [fallback], ...(reach ? { reaches: reach as string[] } : {}) }
  return {
    ...(group ? { groups: group as string[] } : {}),
    reaches: (reach as string[]) ?? (group ? [] : [fallback]),
  }
}

function linkOptions({ url, name, token, insecure }: FlagValues): ConnectOptions {
  return {
    ...(url === undefined ? {} : { url: url as string }),
    ...(name === undefined ? {} : { name: name as string }),
    ...(token === undefined ? {} : { token: token as string }),
    ...(insecure ? { insecure: true } : {}),
  }
}

/** Fires with the first SIGINT or SIGTERM, or when the program that started this one has ended, however it did. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const event of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(event, () => stop.abort())
  // The channel alone is no reason to stay.
  process.channel?.unref()
  return stop.signal
}

function fail(
  error: unknown,
  { json, command, hint }: { json: boolean; command: string; hint: string | undefined },
): number {
  const usage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
  const code = usage ? 'INVALID_ARGUMENT' : error instanceof SealwayError ? error.code : 'INTERNAL'
  const advice =
    code === 'FORBIDDEN' && hint !== undefined
      ? `; ${hint}: name the target's own group with --reach <group> (\`sealway nodes\` lists the groups of each node)`
      : ''
  const message = `${error instanceof Error ? error.message : String(error)}${advice}`
  const outcome = error instanceof SealwayError ? error.outcome : undefined
  process.stderr.write(
    json
      ? `${JSON.stringify({ error: { code, message, outcome } })}\n`
      : `${code}: ${message}${usage ? `\n${command} --help shows how` : ''}\n`,
  )
  return usage ? 2 : 1
}

/** `.env.node` holds what nodes of this machine share; the environment wins over it. */
function loadNodeEnvironment(): void {
  let text: string
  try {
    text = readFileSync('.env.node', 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  for (const [name, value] of Object.entries(parseEnv(text.replace(/^\uFEFF/, '')))) process.env[name] ??= value
}

process.exitCode = await main(process.argv.slice(2))
