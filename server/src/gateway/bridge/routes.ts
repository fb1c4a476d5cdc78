import {
  limits as defaults,
  formatAddress,
  type Limits,
  minSealedBytes,
  parseAddress,
  parseName,
  quote,
} from '@sealway/protocol'
import { HttpError } from '../problem.js'
import { type Answer, type Call, events, octets, type Route } from '../route.js'
import { nameSchema } from '../schemas.js'
import type { BridgeLink, BridgeLinks, Wanted } from './links.js'
import type { Delivered } from './node.js'

/** Under the shortest idle cut we promise to survive, 30 s. */
const maxWaitMs = 20_000
const instanceForm = /^[0-9a-f]{32}$/

const to = (description: string) => ({ type: 'string', maxLength: 80, description })
const scope = { ...nameSchema, default: 'default', description: 'names the keys that the frame is sealed with' }
const groups = {
  type: 'string',
  maxLength: 4_200,
  description:
    'that the sender reaches, with commas between; those it is registered with or its token names unless given',
}
const ownGroups = {
  ...groups,
  description:
    'that the name is a member of, with commas between; those it is registered with or its token names unless given',
}
const names = { type: 'array', items: nameSchema }
const admission = ['FORBIDDEN', 'INVALID_NAME', 'NOT_FOUND', 'NAME_IN_USE', 'NAME_OWNED', 'SUPERSEDED'] as const
const onTheWay = [
  'UNKNOWN_NODE',
  'UNKNOWN_GROUP',
  'OFFLINE',
  'BUSY',
  'OVERLOADED',
  'DRAINING',
  'TOKEN_EXPIRED',
] as const
const errors = [
  ...admission,
  ...onTheWay,
  'CONFLICT',
  'TIMEOUT',
  'TOO_LARGE',
  'HEARTBEAT_LOST',
  'HELLO_TIMEOUT',
] as const

/** For programs that speak only HTTP and seal by themselves: one sealed frame in, sealed frames out. */
export function bridgeRoutes(links: BridgeLinks, limits: Pick<Limits, 'maxFrameBytes'>): Route[] {
  const maxBytes = limits.maxFrameBytes

  const sealed = (call: Call): Uint8Array => {
    const frame = call.body as Uint8Array
    if (frame.length >= minSealedBytes) return frame
    throw new HttpError('MALFORMED', `a sealed frame has at least ${minSealedBytes} bytes, not ${frame.length}`)
  }
  const linkFor = async (call: Call, receives = false): Promise<BridgeLink> => links.linkFor(wantedOf(call, receives))

  return [
    {
      id: 'sendFrame',
      method: 'post',
      path: '/v1/send',
      access: 'token',
      summary: 'Send a sealed frame to a node, or to one member of a group. Its sender is the name of the token.',
      query: { to: to('<node> or any:<group>'), scope, groups },
      bytes: { maxBytes },
      answers: { 202: { type: 'object', properties: { accepted: names }, required: ['accepted'] } },
      errors,
      async handler(call) {
        const [address, inScope] = target(call, 'node', 'any')
        const link = await linkFor(call)
        const accepted = await link.node.send(address, inScope, sealed(call))
        return { status: 202, body: { accepted }, headers: headersOf(link) }
      },
    },
    {
      id: 'broadcastFrame',
      method: 'post',
      path: '/v1/broadcast',
      access: 'token',
      summary: 'Send a sealed frame to every member of a group. The answer names those it was handed on to.',
      query: { to: to('group:<group>'), scope, groups },
      bytes: { maxBytes },
      answers: { 200: { type: 'object', properties: { accepted: names }, required: ['accepted'] } },
      errors,
      async handler(call) {
        const [address, inScope] = target(call, 'group')
        const link = await linkFor(call)
        const accepted = await link.node.send(address, inScope, sealed(call))
        return { status: 200, body: { accepted }, headers: headersOf(link) }
      },
    },
    {
      id: 'callFrame',
      method: 'post',
      path: '/v1/call',
      access: 'token',
      summary: 'Send a sealed frame and wait for the next one from its target, whatever is sealed in it.',
      query: {
        to: to('<node> or any:<group>'),
        scope,
        groups,
        timeout: {
          type: 'integer',
          minimum: 1,
          maximum: defaults.maxCallTimeoutMs,
          default: defaults.callTimeoutMs,
          description: 'ms',
        },
      },
      bytes: { maxBytes },
      answers: { 200: octets },
      errors,
      async handler(call) {
        const [address, inScope] = target(call, 'node', 'any')
        const timeoutMs = (call.query.timeout as number | undefined) ?? defaults.callTimeoutMs
        const frame = sealed(call)
        const link = await linkFor(call)
        const delivered = await link.node.ask(address, inScope, frame, timeoutMs, call.signal)
        return frameAnswer(link, delivered)
      },
    },
    {
      id: 'receiveFrame',
      method: 'post',
      path: '/v1/receive',
      access: 'token',
      summary: 'The next sealed frame that came for the name of the token, or all from now on as server-sent events.',
      query: {
        groups: ownGroups,
        wait: { type: 'integer', minimum: 0, maximum: maxWaitMs, default: maxWaitMs, description: 'ms' },
      },
      answers: { 200: events, 204: null },
      errors,
      async handler(call): Promise<Answer> {
        const link = await linkFor(call, true)
        const headers = headersOf(link)
        if (call.header('accept')?.includes('text/event-stream')) {
          return { status: 200, headers, events: framesOf(link, call.signal) }
        }
        const waitMs = (call.query.wait as number | undefined) ?? maxWaitMs
        const delivered = await link.node.inbox.take(waitMs, call.signal)
        return delivered ? frameAnswer(link, delivered) : { status: 204, headers }
      },
    },
  ]
}

/** @throws HttpError `MALFORMED`, SealwayError `INVALID_NAME` */
function target(call: Call, ...types: readonly ('node' | 'any' | 'group')[]): [to: string, scope: string] {
  if (call.query.to === undefined) throw new HttpError('MALFORMED', 'the query must say ?to=')
  const address = parseAddress(call.query.to)
  if (!types.includes(address.type)) {
    throw new HttpError('MALFORMED', `${quote(formatAddress(address))} is for another route: this one takes ${types}`)
  }
  return [formatAddress(address), parseName(call.query.scope ?? 'default', 'scope')]
}

function wantedOf(call: Call, receives: boolean): Wanted {
  const link = call.header('sealway-link')
  const instance = call.header('sealway-instance')
  const listed = call.query.groups as string | undefined
  if (instance !== undefined && !instanceForm.test(instance)) {
    throw new HttpError('MALFORMED', 'sealway-instance must be 32 hex digits')
  }
  return {
    identity: call.caller!,
    token: call.header('authorization')!.replace(/^Bearer +/i, ''),
    address: call.peer.address || 'ipc',
    receives,
    ...(link === undefined ? {} : { link }),
    ...(instance === undefined ? {} : { instance }),
    ...(listed === undefined ? {} : { groups: listed.split(',') }),
  }
}

const headersOf = ({ id, instance }: BridgeLink) => ({ 'sealway-link': id, 'sealway-instance': instance })

const frameAnswer = (link: BridgeLink, { from, to, scope, frame }: Delivered): Answer => ({
  status: 200,
  bytes: frame,
  headers: { ...headersOf(link), 'sealway-from': from, 'sealway-to': to, 'sealway-scope': scope },
})

/** Until its reader goes, another takes over, or the link ends. */
async function* framesOf({ node }: BridgeLink, signal: AbortSignal): AsyncGenerator<string> {
  while (!signal.aborted) {
    const asked = node.inbox.turn
    const delivered = await node.inbox.take(maxWaitMs / 2, signal)
    if (!delivered && node.inbox.turn !== asked + 1) return
    if (!delivered) yield ':\n\n'
    else {
      const { from, to, scope, frame } = delivered
      yield `data: ${JSON.stringify({ from, to, scope, frame: Buffer.from(frame).toString('base64') })}\n\n`
    }
  }
}
