import type { Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { tooMany } from './guard.js'
import { rawRefusal } from './refuse.js'

/** What Node keeps on a socket: the response under way. Its own handler of these errors looks there, too. */
interface Answering {
  readonly _httpMessage?: Pick<ServerResponse, 'headersSent'> | null
}

/** `reason` is a fixed sentence of Node's parser about where it stopped. */
type ParseError = NodeJS.ErrnoException & { readonly reason?: string }

/** Whether an answer is under way on a socket. */
export const isAnswering = (socket: Duplex): boolean => ((socket as Answering)._httpMessage ?? null) !== null

/** What Node's parser refuses is answered with a problem of ours, and the connection ends. */
export function answerClientErrors(server: Server): void {
  server.on('clientError', (error: ParseError, socket: Duplex) => {
    // In the middle of an answer it would be read as a part of it.
    if (!socket.writable || error.code === 'ECONNRESET' || (socket as Answering)._httpMessage?.headersSent) {
      socket.destroy()
      return
    }
    socket.write(textFor(error))
    socket.destroy()
  })
  server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => socket.destroy())
    const detail = 'this is no proxy for other hosts: CONNECT is not taken'
    socket.end(rawRefusal('METHOD_NOT_ALLOWED', detail, 'Method Not Allowed'))
  })
}

function textFor({ code, reason }: ParseError): string {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return rawRefusal(tooMany.code, tooMany.detail, 'Request Header Fields Too Large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return rawRefusal('HELLO_TIMEOUT', 'the request was not complete in time', 'Request Timeout')
    default:
      return rawRefusal('MALFORMED', `this is not HTTP: ${reason ?? code}`, 'Bad Request')
  }
}
