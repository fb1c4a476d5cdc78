import { SealwayError } from '@sealway/protocol'
import type { ClientOptions, WebSocket } from 'ws'
import { parseTarget } from './address.js'
import { ask } from './ask.js'
import { type FetchParts, timeoutFor } from './fetch.js'
import { Pipe } from './pipe.js'
import { type FetchOptions, headersOf, invalid } from './request.js'

export interface WebSocketOptions {
  readonly headers?: FetchOptions['headers'] | undefined
  /** Gives up, and breaks off what has begun. */
  readonly signal?: AbortSignal | undefined
  /** How long to wait until it is open, ms; default as a call's, 30 s. */
  readonly timeout?: number | undefined
  /** Longest message taken, bytes; a longer one closes with 1009. Default: 64 MiB. */
  readonly maxPayload?: number | undefined
}

/** What a listener of `message` gets: text, or bytes as `binaryType` says. */
export type WebSocketData = string | Buffer | ArrayBuffer | Buffer[] | Blob

interface WebSocketEvents {
  readonly open: { readonly type: string }
  readonly message: { readonly type: string; readonly data: WebSocketData }
  readonly close: { readonly type: string; readonly code: number; readonly reason: string; readonly wasClean: boolean }
  readonly error: { readonly type: string; readonly error: unknown; readonly message: string }
}
type Listener<Type extends keyof WebSocketEvents> = ((event: WebSocketEvents[Type]) => void) | null

/** The interface of the WebSocket Standard, to the app of another node. */
export interface NodeWebSocket {
  /** `ws://<node>/path`: which node it is. */
  readonly url: string
  readonly protocol: string
  readonly extensions: string
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: 0 | 1 | 2 | 3
  /** Bytes that `send` was given and that have not left. */
  readonly bufferedAmount: number
  /** How bytes arrive. Default: `nodebuffer`. */
  binaryType: 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob'
  onopen: Listener<'open'>
  onmessage: Listener<'message'>
  onclose: Listener<'close'>
  onerror: Listener<'error'>
  send(data: string | ArrayBuffer | NodeJS.ArrayBufferView | Blob): void
  /** @param code 1000, or 3000 to 4999 */
  close(code?: number, reason?: string): void
  /** At once, without saying good-bye. */
  terminate(): void
  addEventListener<Type extends keyof WebSocketEvents>(
    type: Type,
    listener: (event: WebSocketEvents[Type]) => void,
    options?: { readonly once?: boolean },
  ): void
  removeEventListener<Type extends keyof WebSocketEvents>(
    type: Type,
    listener: (event: WebSocketEvents[Type]) => void,
  ): void
}

const maxPayloadBytes = 64 * 1024 * 1024

/** `node.webSocket`: resolves when it is open. */
export async function openWebSocket(
  parts: FetchParts,
  url: string | URL,
  protocols: string | readonly string[] = [],
  options: WebSocketOptions = {},
): Promise<NodeWebSocket> {
  const target = parseTarget(String(url), ['ws', 'http'])
  if (target.to.startsWith('group:')) throw invalid(`a WebSocket has one other end; ${target.to} has many: use any:`)
  const timeoutMs = timeoutFor(parts, target.to, options)
  const { signal } = options
  const Client = await client()
  let answeredBy = target.host
  const pipe = new Pipe(async (head) => {
    const answer = await ask(parts, { to: target.to, head, body: undefined, rest: 'pipe', timeoutMs, signal })
    answeredBy = answer.node
    const { status } = answer.head!
    if (status === 101) return answer
    answer.cancel()
    const message = `${answer.node} opens no WebSocket at ${target.path}: it answered ${status}`
    throw new SealwayError('BAD_ANSWER', { message, hop: 'receiver', target: answer.node, data: { status } })
  })
  // Its own reading of URLs knows no `any:`; the header says where this goes.
  const address = `ws://node${target.path}`
  const headers = { ...Object.fromEntries(headersOf(options.headers)), host: target.host }
  const { maxPayload = maxPayloadBytes } = options
  const how = { createConnection: () => pipe, perMessageDeflate: false, maxPayload, headers }
  const socket = open(Client, address, protocols, how as unknown as ClientOptions)
  await opened(socket)
  Object.defineProperty(socket, 'url', { value: `ws://${answeredBy}${target.path}` })
  return socket as unknown as NodeWebSocket
}

/** Optional: only who opens a WebSocket installs it. @throws SealwayError `INVALID_ARGUMENT` */
async function client(): Promise<typeof WebSocket> {
  const ws = await import('ws').catch((cause: unknown) => {
    throw invalid('a WebSocket to another node needs the package ws: npm install ws', cause)
  })
  return ws.WebSocket
}

/** @throws SealwayError `INVALID_ARGUMENT` */
function open(
  Client: typeof WebSocket,
  address: string,
  protocols: string | readonly string[],
  options: ClientOptions,
): WebSocket {
  try {
    return new Client(address, typeof protocols === 'string' ? [protocols] : [...protocols], options)
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : 'this is no WebSocket', cause)
  }
}

/** Until who asked for it has had a chance to listen, nothing is handed out. */
function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    // It stays: what breaks it later is told by `close`, too, and an error that nobody listens to would end the process.
    socket.on('error', (error) => reject(failed(error)))
    socket.once('open', () => {
      socket.pause()
      setImmediate(() => socket.resume())
      resolve()
    })
  })
}

/** What the handshake says that went wrong. */
const failed = (error: Error): SealwayError =>
  error instanceof SealwayError
    ? error
    : new SealwayError('BAD_ANSWER', {
        message: `this is no WebSocket: ${error.message}`,
        hop: 'receiver',
        cause: error,
      })
