import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface PageServer {
  readonly url: string
  close(): Promise<void>
}

const types = new Map([
  ['html', 'text/html; charset=utf-8'],
  ['js', 'text/javascript; charset=utf-8'],
  ['json', 'application/json'],
])

/**
 * Serves these files, by path, on a free loopback port, under a strict policy: scripts of its own, and connections to
 * `connectTo` besides.
 */
export async function servePage(files: { readonly [path: string]: string }, connectTo = ''): Promise<PageServer> {
  const server = createServer((request, response) => {
    const path = request.url === '/' ? '/index.html' : (request.url ?? '')
    const file = Object.hasOwn(files, path) ? files[path] : undefined
    if (file === undefined) {
      response.writeHead(path === '/favicon.ico' ? 204 : 404).end()
      return
    }
    response
      .writeHead(200, {
        'content-type': types.get(path.split('.').at(-1)!) ?? 'text/plain',
        'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ${connectTo}; base-uri 'none'; form-action 'none'`,
      })
      .end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
