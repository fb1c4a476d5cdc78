import { type ServerResponse, STATUS_CODES } from 'node:http'
import { hopByHop, type RawHeaders, type ResponseHead } from '@sealway/protocol'
import { listedBy } from './response-headers.js'
import type { Visit } from './visit.js'

/** Hands on an answer below 200, but for 101: another one follows it (RFC 9110 s15.2). */
export function inform(visit: Visit, head: ResponseHead): void {
  // A client of HTTP/1.0 knows none of them.
  if (visit.request.httpVersion !== '1.1' || visit.response.headersSent || visit.response.destroyed) return
  visit.informed = true
  if (visit.whole) {
    visit.whole.response.inform(headText({ ...head, headers: head.status === 100 ? [] : ofMessage(head.headers) }))
    return
  }
  const { response } = visit.streams
  if (head.status === 100) {
    visit.continued = true
    // Node keeps in mind that it said so: else it would end the connection after the answer.
    response.writeContinue()
  } else if (response.socket) {
    response.socket.write(headText({ ...head, headers: ofMessage(head.headers) }), 'latin1')
  } else if (head.status === 103) {
    behindOthers(response, ofMessage(head.headers))
  }
}

/** What does not concern the connection, or a body, which there is none of. */
function ofMessage(headers: RawHeaders): string[] {
  const listed = listedBy(headers)
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    if (hopByHop.has(name) || name === 'content-length' || listed?.includes(name)) continue
    kept.push(headers[i]!, headers[i + 1]!)
  }
  return kept
}

/**
 * The answers to what the client asked before on this connection are still under way: Node keeps early hints until it is
 * their turn. It has no such thing for 102 and what else there is, which say nothing by then.
 */
function behindOthers(response: ServerResponse, headers: RawHeaders): void {
  const hints = new Map<string, string[]>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    hints.set(name, [...(hints.get(name) ?? []), headers[i + 1]!])
  }
  try {
    response.writeEarlyHints(
      Object.fromEntries([...hints].map(([name, values]) => [name, values.length === 1 ? values[0]! : values])),
    )
  } catch {
    // Links that Node does not take for links: a hint is no answer, and may be left out.
  }
}

/** Where it is written past Node, nothing in it may end a line: the protocol, or Node's parser, has seen to that. */
export function headText({ status, reason, headers }: ResponseHead): string {
  let text = `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? '') : reason}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${text}\r\n`
}
