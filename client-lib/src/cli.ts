#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Code, meaningOf, SealwayError } from '@sealway/protocol'
import type { WaitOptions } from './messaging/deadline.js'
import { connect, type Node } from './node.js'
import type { ConnectOptions } from './options.js'

const help = `sealway-node: one message from the command line, sealed with your own key

  sealway-node send <to> <action> [body]          fire and forget
  sealway-node call <to> <action> [body]          wait for the answer and print it
  sealway-node broadcast <group> <action> [body]  to every member, and what became of it
  sealway-node peers <group>                      who is connected

  <to>    a node's name, or any:<group>
  [body]  JSON, or text; - reads it from standard input

  --url <url>         mediator (SEALWAY_URL; default http://127.0.0.1:4567)
  --name <name>       register under this name (default: one made for this call)
  --reach <group>     send to this group without being a member; again for more
                      (default: the group addressed, or SEALWAY_GROUP, or demo)
  --group <group>     be a member of this group, which gets a share of its messages; again for more
  --want acks|replies what a broadcast waits for (default: acks)
  --timeout <ms>      give up after (default: 10000)
  --token <token>     default: minted from PROTECTED_BASIC_AND_JWT
  --json              machine-readable output and errors
  --insecure          allow a token in clear to another host

The payload key comes from PROTECTED_AES256, never from an argument: arguments can be seen by other users.
Settings are read from the environment, and from .env.node in this folder where it exists.

Examples (\`sealway call\` is the same as \`sealway-node call\`, where both are installed):
  sealway-node call greeter-1 greet '{"name":"world"}'
  sealway-node call any:orders quote '{"sku":"A1"}' --timeout 2000 --json
  sealway-node send billing-2 note hello --reach billing
  sealway-node broadcast cache flush --want replies
  sealway-node peers demo --json
  cat order.json | sealway-node call any:orders place -

Exit code: 0 done, 1 failed, 2 wrong usage.
`

const options = {
  url: { type: 'string' },
  name: { type: 'string' },
  group: { type: 'string', multiple: true },
  reach: { type: 'string', multiple: true },
  want: { type: 'string' },
  timeout: { type: 'string' },
  token: { type: 'string' },
  json: { type: 'boolean', default: false },
  insecure: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const defaultTimeoutMs = 10_000
/** The group of the first five minutes. */
const defaultGroup = 'demo'

class UsageError extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json')
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    if (values.help || positionals.length === 0) {
      process.stdout.write(help)
      return values.help ? 0 : 2
    }
    loadNodeEnvironment()
    const [verb, target, action, body] = positionals
    if (target === undefined) throw new UsageError(`${verb} needs a target`)
    const timeout = values.timeout === undefined ? defaultTimeoutMs : Number(values.timeout)
    const connecting: ConnectOptions = {
      ...(values.group ? { groups: values.group } : {}),
      reaches: values.reach ?? (values.group ? [] : [groupOf(verb!, target)]),
      timeout,
      ...(values.url === undefined ? {} : { url: values.url }),
      ...(values.name === undefined ? {} : { name: values.name }),
      ...(values.token === undefined ? {} : { token: values.token }),
      ...(values.insecure ? { insecure: true } : {}),
    }
    if (verb !== 'peers' && action === undefined) throw new UsageError(`${verb} needs an action`)
    const perform = verbs.get(verb!)
    if (!perform) throw new UsageError(`unknown command ${JSON.stringify(verb)}`)
    const want = values.want ?? 'acks'
    if (want !== 'acks' && want !== 'replies') throw new UsageError('--want takes acks or replies')
    const node = await connect(connecting)
    try {
      const result = await perform(node, target, action ?? '', readBody(body), { timeout, want })
      process.stdout.write(`${json ? JSON.stringify(result.json) : result.text}\n`)
      return result.failed ? 1 : 0
    } finally {
      await node.drain({ timeout })
    }
  } catch (error) {
    const usage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
    const code = usage ? 'INVALID_ARGUMENT' : error instanceof SealwayError ? error.code : 'INTERNAL'
    const message = error instanceof Error ? error.message : String(error)
    const outcome = error instanceof SealwayError ? error.outcome : undefined
    process.stderr.write(
      json
        ? `${JSON.stringify({ error: { code, message, outcome } })}\n`
        : `${code}: ${message}${usage ? '\nsealway-node --help shows how' : ''}\n`,
    )
    return usage ? 2 : 1
  }
}

interface Result {
  readonly json: unknown
  readonly text: string
  readonly failed?: boolean
}

type Verb = (
  node: Node,
  target: string,
  action: string,
  body: unknown,
  wait: WaitOptions & { want: 'acks' | 'replies' },
) => Promise<Result>

/** Whether a name that nobody holds is known is asked of the mediator's database: that long a refusal is waited for, ms. */
const lookUpMs = 250

const verbs = new Map<string, Verb>([
  [
    'send',
    async (node, to, action, body, { timeout }) => {
      const refused = new Promise<Code>((resolve) => node.events.on('dropped', ({ code }) => resolve(code)))
      await node.send(to, action, body, { timeout: timeout! })
      // A refusal comes back behind the message; one more question to the mediator comes back behind that.
      await node.peers((node.groups[0] ?? node.reaches[0])!, { timeout: timeout! })
      const code = await Promise.race([refused, sleep(lookUpMs, undefined)])
      if (code !== undefined) {
        throw new SealwayError(code, { message: `send ${action} to ${to}: ${meaningOf(code)}`, target: to })
      }
      return { json: { sent: true, to, action }, text: `sent ${action} to ${to}` }
    },
  ],
  [
    'call',
    async (node, to, action, body, { timeout }) => {
      const reply = await node.call(to, action, body, { timeout: timeout! })
      const shown = reply instanceof Uint8Array ? Buffer.from(reply).toString('base64') : reply
      return {
        json: { reply: shown },
        text: typeof shown === 'string' ? shown : JSON.stringify(shown ?? null, null, 2),
      }
    },
  ],
  [
    'broadcast',
    async (node, group, action, body, { timeout, want }) => {
      const report = await node.broadcast(group, action, body, { timeout: timeout!, want })
      const failed = report.failed.map(({ name, error }) => ({ name, code: error.code, message: error.message }))
      const replies = Object.fromEntries(report.replies)
      const lines = [
        `${report.ok.length} of ${report.targets.length} members of ${group} handled ${action}`,
        ...report.ok.map((name) => `  ok       ${name}${name in replies ? ` ${JSON.stringify(replies[name])}` : ''}`),
        ...failed.map(({ name, code, message }) => `  failed   ${name} ${code}: ${message}`),
        ...report.missing.map((name) => `  missing  ${name}`),
      ]
      return {
        json: { targets: report.targets, ok: report.ok, failed, missing: report.missing, replies },
        text: lines.join('\n'),
        failed: failed.length > 0 || report.missing.length > 0,
      }
    },
  ],
  [
    'peers',
    async (node, group, _action, _body, { timeout }) => {
      const peers = (await node.peers(group, { timeout: timeout! })).filter((peer) => peer.name !== node.name)
      const lines = peers.map((peer) => {
        const endpoints = peer.endpoints.map((e) => `${e.name}=${e.protocol}://${e.address}:${e.port}`)
        return [peer.name, peer.transport, peer.groups.join(','), ...endpoints].join('  ')
      })
      return { json: { peers }, text: lines.length > 0 ? lines.join('\n') : `nobody else is connected in ${group}` }
    },
  ],
])

/** A caller without a group of its own joins the one it talks to, as far as the address names it. */
function groupOf(verb: string, target: string): string {
  if (verb === 'broadcast' || verb === 'peers') return target.replace(/^group:/, '')
  return /^(?:any|group):(.+)$/.exec(target)?.[1] ?? process.env.SEALWAY_GROUP ?? defaultGroup
}

function readBody(text: string | undefined): unknown {
  if (text === undefined) return undefined
  const body = text === '-' ? readFileSync(0, 'utf8') : text
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

/** `.env.node` holds what nodes of this machine share; the environment wins over it. */
function loadNodeEnvironment(): void {
  try {
    process.loadEnvFile('.env.node')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

process.exitCode = await main(process.argv.slice(2))
