import { type Agent, type ClientRequest, request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { RequestHead } from '@sealway/protocol'
import type { Pinned } from './pin.js'

/**
 * Begins a request to the address that was checked: there is no name left to look up.
 * @param headers as the upstream is to see them: by name, or names and values in turn
 * @param agent false: over a connection of its own
 */
export function requestTo(
  { address, port, secure, name }: Pinned,
  { method, target }: RequestHead,
  headers: NonNullable<RequestOptions['headers']>,
  agent: Agent | false,
): ClientRequest {
  return (secure ? httpsRequest : httpRequest)({
    ...{ host: address, port, method, path: target, headers, agent },
    ...(name === undefined ? {} : { servername: name }),
  })
}
