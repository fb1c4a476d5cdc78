import { type ClientTransport, quote, SealwayError } from '@sealway/protocol'
import { ipcTransport, tcpTransport } from './tcp.js'
import { wsTransport } from './ws.js'

const byScheme = new Map<string, ClientTransport>([
  ['http', tcpTransport],
  ['https', tcpTransport],
  ['unix', ipcTransport],
  ['ipc', ipcTransport],
  ['ws', wsTransport],
  ['wss', wsTransport],
])

/** The transport that a mediator's URL asks for. @throws SealwayError `INVALID_ARGUMENT` */
export function chooseTransport(url: string): ClientTransport {
  const transport = byScheme.get(url.slice(0, Math.max(0, url.indexOf(':'))))
  if (transport) return transport
  throw new SealwayError('INVALID_ARGUMENT', {
    message: `mediator URL ${quote(url)} must begin with http://, https://, unix:, ws:// or wss://`,
    outcome: 'not-delivered',
  })
}
