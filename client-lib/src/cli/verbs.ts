import { setTimeout as sleep } from 'node:timers/promises'
import { type Code, meaningOf, SealwayError } from '@sealway/protocol'
import type { Need } from '../messaging/gather.js'
import type { BroadcastReport } from '../messaging/report.js'
import { count, oneOf } from './usage.js'
import { type Call, groupOfAddress, printable, shown, type Verb } from './verb.js'

/** The mediator asks its database whether a name that nobody holds is known: so long a refusal is waited for, ms. */
const lookUpMs = 250

const groupItself = (target: string): string => target.replace(/^group:/, '')

/** By name, in the order of the help. */
export const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  [
    'send',
    {
      usage: '<to> <action> [body]',
      summary: 'Send one message to a node, or to one member of a group',
      notes: 'Without --acked, "sent" means that the mediator took it and has not refused it.',
      flags: ['acked', 'id', 'text'],
      examples: [
        'orders-1 note hello --reach orders',
        `orders-1 place '{"sku":"A1"}' --acked --id order-7 --reach orders`,
        'orders-1 note - < note.txt',
      ],
      groupIn: groupOfAddress,
      run: (call) => (call.has('acked') ? sendAcked(call) : send(call)),
    },
  ],
  [
    'call',
    {
      usage: '<to> <action> [body]',
      summary: 'Call a node, or one member of a group, and print its answer',
      flags: ['text'],
      examples: [
        `greeter-1 greet '{"name":"world"}'`,
        `any:orders quote '{"sku":"A1"}' --timeout 2000 --json`,
        'any:orders place - < order.json',
      ],
      groupIn: groupOfAddress,
      async run({ node, args, body, timeout, signal, print }) {
        const reply = printable(await node.call(args[0]!, args[1]!, body, { timeout, signal }))
        print({ reply }, shown(reply))
        return true
      },
    },
  ],
  [
    'stream',
    {
      usage: '<to> <action> [body]',
      summary: 'Call a handler that answers with many items, and print each, one a line',
      flags: ['limit', 'text'],
      examples: [`any:reports export '{"day":"today"}'`, 'reports-1 tail --limit 10 --json --reach reports'],
      groupIn: groupOfAddress,
      async run({ node, args, body, timeout, signal, text, print }) {
        let left = count('limit', text('limit'), Number.POSITIVE_INFINITY)
        for await (const item of node.stream(args[0]!, args[1]!, body, { timeout, signal })) {
          const value = printable(item)
          print(value ?? null, typeof value === 'string' ? value : JSON.stringify(value ?? null))
          if (--left <= 0) break
        }
        return true
      },
    },
  ],
  [
    'broadcast',
    {
      usage: '<group> <action> [body]',
      summary: 'Send to every member of a group, and print what became of it at each',
      flags: ['want', 'text'],
      examples: ['cache flush', `cache flush '{"sku":"A1"}' --want replies --json`],
      groupIn: groupItself,
      async run({ node, args, body, timeout, signal, text, print }) {
        const want = oneOf('want', text('want'), ['acks', 'replies'])
        const group = groupItself(args[0]!)
        return report(await node.broadcast(group, args[1]!, body, { timeout, signal, want }), args[1]!, group, print)
      },
    },
  ],
  [
    'gather',
    {
      usage: '<group> <action> [body]',
      summary: 'Ask every member of a group, and print the answers as soon as enough have come',
      flags: ['need', 'text'],
      examples: [`price bid '{"lot":7}' --need 2`, 'cache size --need majority --json'],
      groupIn: groupItself,
      async run({ node, args, body, timeout, signal, text, print }) {
        const need = needOf(text('need'))
        const replies = await node.gather(groupItself(args[0]!), args[1]!, body, { timeout, signal, need })
        print(
          { replies },
          replies.map((reply) => `${reply.from}  ${JSON.stringify(printable(reply.body) ?? null)}`).join('\n'),
        )
        return true
      },
    },
  ],
  [
    'publish',
    {
      usage: '<event> [body]',
      summary: 'Publish an event in a group: the one of --reach or --group',
      notes: 'Prints which members were reached; with --want acks, which had subscribed and have handled it.',
      flags: ['want', 'text'],
      examples: [`lots.sold '{"lot":7}' --reach price`, 'orders.created --reach orders --want acks'],
      groupIn: () => undefined,
      async run({ node, args, body, timeout, signal, text, print }) {
        const want = oneOf('want', text('want'), ['report', 'acks'])
        const group = firstGroup(node)
        const result = await node.publish(args[0]!, body, { timeout, signal, want, in: group })
        if (want === 'acks') return report(result, args[0]!, group, print)
        print({ targets: result.targets }, `${args[0]} went to ${result.targets.length} members of ${group}`)
        return true
      },
    },
  ],
  [
    'subscribe',
    {
      usage: '<pattern>',
      summary: 'Print the events of a group, the one of --group, until it is stopped, one a line',
      notes: 'orders.created, orders.* (one token), orders.> (the rest). Events go to members, so it becomes one.',
      flags: ['limit', 'consumer'],
      examples: ["'orders.*' --group orders", "'>' --group orders --limit 1 --json"],
      groupIn: () => undefined,
      joins: true,
      async run({ node, args, signal, text, print }) {
        let left = count('limit', text('limit'), Number.POSITIVE_INFINITY)
        const consumer = text('consumer')
        const events = node.subscribe(args[0]!, {
          in: firstGroup(node),
          ...(consumer === undefined ? {} : { consumer }),
        })
        signal.addEventListener('abort', () => void events.return?.(), { once: true })
        for await (const { event, from, body, missed } of events) {
          const value = printable(body) ?? null
          print({ event, from, body: value, missed }, `${event}  ${from}  ${JSON.stringify(value)}`)
          if (--left <= 0) break
        }
        return true
      },
    },
  ],
  [
    'fetch',
    {
      usage: '<url> [body]',
      summary: 'Ask the HTTP app that a node exposes, sealed, and print the body of its answer',
      notes: 'http://orders-1/path, or any:orders/path. A status of 400 or more ends with exit code 1.',
      rawBody: true,
      flags: ['method', 'header'],
      examples: [
        'http://reports-1/health --reach reports',
        `any:orders/orders '{"sku":"A1"}' --header 'content-type: application/json'`,
        'any:orders/orders/7 --method DELETE --json',
      ],
      groupIn: groupOfAddress,
      run: request,
    },
  ],
  [
    'peers',
    {
      usage: '<group>',
      summary: 'Print who is connected in a group',
      flags: [],
      examples: ['demo', 'orders --json'],
      groupIn: groupItself,
      async run({ node, args, timeout, signal, print }) {
        const group = groupItself(args[0]!)
        const peers = (await node.peers(group, { timeout, signal })).filter((peer) => peer.name !== node.name)
        const lines = peers.map((peer) => {
          const endpoints = peer.endpoints.map((e) => `${e.name}=${e.protocol}://${e.address}:${e.port}`)
          return [peer.name, peer.transport, peer.groups.join(','), ...endpoints].join('  ')
        })
        print({ peers }, lines.length > 0 ? lines.join('\n') : `nobody else is connected in ${group}`)
        return true
      },
    },
  ],
])

const firstGroup = (node: Call['node']): string => (node.groups[0] ?? node.reaches[0])!

async function send({ node, args, body, timeout, signal, print }: Call): Promise<boolean> {
  const [to, action] = [args[0]!, args[1]!]
  const refused = new Promise<Code>((resolve) => node.events.on('dropped', ({ code }) => resolve(code)))
  await node.send(to, action, body, { timeout, signal })
  // A refusal comes back behind the message; one more question to the mediator comes back behind that.
  await node.peers(firstGroup(node), { timeout, signal })
  const code = await Promise.race([refused, sleep(lookUpMs, undefined)])
  if (code !== undefined) {
    throw new SealwayError(code, { message: `send ${action} to ${to}: ${meaningOf(code)}`, target: to })
  }
  print({ sent: true, to, action }, `sent ${action} to ${to}`)
  return true
}

async function sendAcked({ node, args, body, timeout, signal, text, print }: Call): Promise<boolean> {
  const id = text('id')
  const receipt = await node.sendAcked(args[0]!, args[1]!, body, {
    timeout,
    signal,
    ...(id === undefined ? {} : { id }),
  })
  print(receipt, `${receipt.status} by ${receipt.by} after ${Math.round(receipt.afterMs)} ms`)
  return true
}

function needOf(text: string | undefined): Need {
  if (text === undefined || text === 'all' || text === 'majority') return text ?? 'all'
  return count('need', text, 1)
}

/** @returns whether every member has done it */
function report(result: BroadcastReport, action: string, group: string, print: Call['print']): boolean {
  const failed = result.failed.map(({ name, error }) => ({ name, code: error.code, message: error.message }))
  const replies = Object.fromEntries([...result.replies].map(([name, reply]) => [name, printable(reply)]))
  const lines = [
    `${result.ok.length} of ${result.targets.length} members of ${group} handled ${action}`,
    ...result.ok.map((name) => `  ok       ${name}${name in replies ? ` ${JSON.stringify(replies[name])}` : ''}`),
    ...failed.map(({ name, code, message }) => `  failed   ${name} ${code}: ${message}`),
    ...result.missing.map((name) => `  missing  ${name}`),
  ]
  print({ targets: result.targets, ok: result.ok, failed, missing: result.missing, replies }, lines.join('\n'))
  return failed.length === 0 && result.missing.length === 0
}

async function request({ node, args, body, timeout, signal, text, texts, print }: Call): Promise<boolean> {
  const headers = texts('header').map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  })
  const response = await node.fetch(args[0]!, {
    method: text('method') ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    ...(body === undefined ? {} : { body: body as string }),
    ...{ timeout, signal },
  })
  const answer = await response.text()
  print({ status: response.status, headers: Object.fromEntries(response.headers), body: answer }, answer)
  return response.status < 400
}
