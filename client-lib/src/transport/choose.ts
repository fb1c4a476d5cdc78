import { type ClientTransport, quote, SealwayError } from '@sealway/protocol'
import { httpTransport } from './http.js'
import { ipcTransport, tcpTransport } from './tcp.js'
import { wsTransport } from './ws.js'

const byScheme = new Map<string, ClientTransport>([
  ['http', tcpTransport],
  ['https', tcpTransport],
  ['unix', ipcTransport],
  ['ipc', ipcTransport],
  ['ws', wsTransport],
  ['wss', wsTransport],
  ['sealway+http', httpTransport],
  ['sealway+https', httpTransport],
])

/**
 * The transport that a mediator's URL asks for; `http`: plain requests, for an http:// or https:// URL.
 * @throws SealwayError `INVALID_ARGUMENT`
 */
export function chooseTransport(url: string, asked?: 'http'): ClientTransport {
  const transport = byScheme.get(url.slice(0, Math.max(0, url.indexOf(':'))))
  if (asked && transport && transport !== tcpTransport && transport !== httpTransport) {
    throw new SealwayError('INVALID_ARGUMENT', {
      message: `transport 'http' needs an http:// or https:// URL, not ${quote(url)}`,
      outcome: 'not-delivered',
    })
  }
  if (transport) return asked ? httpTransport : transport
  throw new SealwayError('INVALID_ARGUMENT', {
    message: `mediator URL ${quote(url)} must begin with http://, https://, unix:, ws://, wss:// or sealway+http(s)://`,
    outcome: 'not-delivered',
  })
}
