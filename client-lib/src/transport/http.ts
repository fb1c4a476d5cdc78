import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { type ClientTransport, linkIdForm, linkPath, SealwayError } from '@sealway/protocol'
import { type Ask, HttpConnection } from './http-connection.js'

const connectTimeoutMs = 5_000
const maxAnswerBytes = 64 * 1024
/** A poll, a POST, and the DELETE at the end. */
const maxSockets = 3

/** Dials `sealway+http://host:port` or `sealway+https://`: plain requests, where no upgrade passes. */
export const httpTransport: ClientTransport = {
  name: 'http',
  connect(url, { signal }) {
    const target = new URL(url.replace(/^sealway\+/, ''))
    const secure = target.protocol === 'https:'
    const agent = secure
      ? new HttpsAgent({ keepAlive: true, maxSockets })
      : new HttpAgent({ keepAlive: true, maxSockets })
    const where: RequestOptions = {
      host: target.hostname.replace(/^\[|\]$/g, ''),
      port: Number(target.port || (secure ? 443 : 80)),
      path: linkPath,
      agent,
    }
    const ask: Ask = (method, headers) =>
      (secure ? httpsRequest : httpRequest)({ ...where, method, headers: { host: target.host, ...headers } })
    const place = `${where.host}:${where.port}`

    return new Promise((resolve, reject) => {
      const opening = ask('POST', { 'content-length': '0' })
      const fail = (message: string, cause?: unknown): void => {
        settle()
        opening.on('error', () => {})
        opening.destroy()
        agent.destroy()
        reject(new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client', cause }))
      }
      const onError = (error: NodeJS.ErrnoException): void =>
        fail(`${place} cannot be reached: ${error.message || error.code}`, error)
      const onAbort = (): void => fail('connecting was aborted', signal?.reason)
      const timer = setTimeout(() => fail(`${place} did not answer within ${connectTimeoutMs} ms`), connectTimeoutMs)
      function settle(): void {
        clearTimeout(timer)
        opening.removeListener('error', onError)
        signal?.removeEventListener('abort', onAbort)
      }
      opening.on('error', onError)
      opening.on('response', (response) => {
        const { statusCode = 0, statusMessage = '', headers } = response
        // Refused, and in the frames of a link it says why.
        const refused = statusCode === 503 && headers['content-type'] === 'application/octet-stream'
        if (statusCode !== 201 && !refused) {
          fail(`${place} refused the link: HTTP/1.1 ${statusCode} ${statusMessage}`.slice(0, 200))
          return
        }
        collect(response).then((body) => {
          const link = refused ? undefined : linkOf(body)
          if (!refused && link === undefined) return fail(`${place} did not answer like a Sealway mediator`)
          settle()
          opening.on('error', () => {})
          const release = (): void => agent.destroy()
          if (refused) release()
          resolve(new HttpConnection({ remoteAddress: place, ask, release, ...(link ? { link } : { farewell: body }) }))
        }, onError)
      })
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      opening.end()
    })
  },
}

function collect(response: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxAnswerBytes) response.destroy(new Error('the answer is too long'))
      else chunks.push(chunk)
    })
    response.on('end', () => resolve(Buffer.concat(chunks)))
    response.on('error', reject)
  })
}

function linkOf(body: Buffer): string | undefined {
  try {
    const { link } = JSON.parse(body.toString()) as { link?: unknown }
    return typeof link === 'string' && linkIdForm.test(link) ? link : undefined
  } catch {
    return undefined
  }
}
