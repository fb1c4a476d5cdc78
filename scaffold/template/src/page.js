import { readFile } from 'node:fs/promises'

/*::
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Journal, News } from './journal.js'
import type { Wish } from './perform.js'

export interface PageParts {
  journal: Journal
  host: string
  perform?: ((wish: Wish) => Promise<{ ok: boolean; outcome: string }>) | undefined
}
*/

const folder = new URL('../page/', import.meta.url)
const files = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/page.css', { file: 'page.css', type: 'text/css; charset=utf-8' }],
])
/** Nothing from anywhere else, and in no frame. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}
const loopback = ['127.0.0.1', 'localhost', '[::1]']
/** Of what a form sends, bytes. */
const maxBodyBytes = 64 * 1024
/** Pages that are open at once, and what may wait for one that does not read, bytes. */
const maxReaders = 50
const maxWaitingBytes = 1024 * 1024

/**
 * The page of a service, as a request listener: for http.createServer, or for app.use of Express.
 * Without `perform` it shows, and sends nothing.
 */
export function createPage({ journal, host, perform } /*: PageParts */) {
  const readers = new Set() /*:: as Set<ServerResponse> */
  return (request /*: IncomingMessage */, response /*: ServerResponse */) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    route(request, response).catch((error) => {
      if (response.headersSent) response.destroy()
      else say(response, error.status ?? 500, { ok: false, outcome: error.message })
    })
  }

  async function route(request /*: IncomingMessage */, response /*: ServerResponse */) {
    // Another name for this address is how a foreign page would read along (DNS rebinding).
    if (![...loopback, host].includes(hostOf(request)))
      throw refusal(403, 'this page is served under its own address only')
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const file = files.get(path)
    if (file && request.method === 'GET') {
      response.setHeader('content-type', file.type)
      response.end(await readFile(new URL(file.file, folder)))
    } else if (path === '/events' && request.method === 'GET') {
      stream(response)
    } else if (path === '/perform' && request.method === 'POST' && perform) {
      refuseForeign(request)
      say(response, 200, await perform(await readWish(request)))
    } else {
      throw refusal(404, 'there is no such page')
    }
  }

  /** Everything so far, and then each news as it comes (server-sent events). */
  function stream(response /*: ServerResponse */) {
    if (readers.size >= maxReaders) throw refusal(503, 'too many pages are open')
    const write = (news /*: object */) => {
      response.write(`data: ${JSON.stringify(news)}\n\n`)
      if (response.writableLength > maxWaitingBytes) response.destroy()
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    readers.add(response)
    const stop = journal.listen((news /*: News */) => write(news))
    response.on('close', () => {
      stop()
      readers.delete(response)
    })
    write({ status: journal.status, peers: journal.peers, entries: journal.entries, sends: perform !== undefined })
  }
}

function hostOf({ headers } /*: IncomingMessage */) {
  return URL.canParse(`http://${headers.host}`) ? new URL(`http://${headers.host}`).hostname : ''
}

/** A form of another site can be sent here, but neither with this type nor without saying where it is from. */
function refuseForeign({ headers } /*: IncomingMessage */) {
  if (!headers['content-type']?.startsWith('application/json'))
    throw refusal(415, 'application/json is taken, and nothing else')
  const site = headers['sec-fetch-site'] ?? 'none'
  if (site !== 'same-origin' && site !== 'none') throw refusal(403, 'only the page itself sends')
}

async function readWish(request /*: IncomingMessage */) /*: Promise<Wish> */ {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > maxBodyBytes) throw refusal(413, `at most ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    return Object(JSON.parse(Buffer.concat(chunks).toString()))
  } catch {
    throw refusal(400, 'that is no JSON')
  }
}

function refusal(status /*: number */, message /*: string */) {
  return Object.assign(new Error(message), { status })
}

function say(response /*: ServerResponse */, status /*: number */, value /*: object */) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
