import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Exchange, ExchangeReader } from './exchange.js'

/**
 * A local server has switched protocols: bytes both ways between its connection and the exchange.
 * @param rest what came with the head of its answer
 * @returns who hears what the exchange tells from now on
 * @throws SealwayError `MALFORMED` or `TOO_LARGE`: its head is none
 */
export function pipeThrough(
  exchange: Exchange,
  { statusCode, statusMessage, rawHeaders }: IncomingMessage,
  socket: Duplex,
  rest: Buffer,
): ExchangeReader {
  const head = { status: statusCode!, reason: statusMessage ?? '', headers: rawHeaders }
  const roomy = exchange.respond(head, rest.length > 0 ? rest : undefined, false)
  let said = false
  let heard = false
  let untaken = 0
  let over = false
  const breakOff = (): void => {
    if (over) return
    over = true
    if (!(said && heard)) exchange.reset('ABORTED')
    socket.destroy()
  }
  const reader: ExchangeReader = {
    data: (chunk) => {
      if (over) return
      if (socket.write(chunk)) exchange.consumed(chunk.length)
      else untaken += chunk.length
    },
    end: () => {
      heard = true
      socket.end()
    },
    aborted: () => {
      over = true
      socket.destroy()
    },
    drain: () => void socket.resume(),
  }
  socket.on('drain', () => {
    const taken = untaken
    untaken = 0
    exchange.consumed(taken)
  })
  socket.on('data', (chunk: Buffer) => {
    if (!over && !exchange.write(chunk)) socket.pause()
  })
  socket.on('end', () => {
    if (over) return
    said = true
    exchange.end()
  })
  socket.on('error', breakOff)
  socket.on('close', breakOff)
  if (!roomy) socket.pause()
  return reader
}
