import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from '@sealway/client'
import { Journal } from './journal.js'
import { createPage } from './page.js'
import { perform } from './perform.js'

/*::
import type { RequestListener } from 'node:http'
import type { Node } from '@sealway/client'

export interface Parts {
  name: string
  groups: string[]
  // Groups to send to and see without being a member.
  reaches?: string[]
  service: (node: Node) => void
  sends: boolean
  // The environment variable that says where the page is.
  portSetting?: string
  listener?: (page: RequestListener) => RequestListener
}
*/

/**
 * Serves the page at once, joins the mediator as soon as it can be reached, and drains on Ctrl-C or SIGTERM.
 * Ends the process with 1 where it cannot be: a port that is taken, a wrong secret, a name that is in use.
 */
export async function run(
  { name, groups, reaches = [], service, sends, portSetting = 'PAGE_PORT', listener = (page) => page } /*: Parts */,
) {
  // What is set already stays: a container or a shell may have brought its own.
  if (existsSync('.env')) process.loadEnvFile('.env')
  const { SEALWAY_URL: mediator = 'http://127.0.0.1:4567', PAGE_HOST: host = '127.0.0.1' } = process.env
  const journal = new Journal({ name, groups, reaches, mediator })
  const stop = new AbortController()
  let node /*: Node | undefined */

  const page = createPage({
    journal,
    host,
    perform: !sends
      ? undefined
      : async (wish) => (node ? perform(node, journal, wish) : { ok: false, outcome: 'not connected yet' }),
  })
  const server = createServer(listener(page))
  await listen(server, portSetting, host)

  for (const signal of ['SIGINT', 'SIGTERM'] /*:: as const */) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(130))
      say(`${signal}: draining`)
      if (node) void node.drain()
      else stop.abort()
    })
  }
  try {
    // Until the mediator is there, however long that takes; the page says why it is not.
    node = await connect({ name, groups, reaches, timeout: Infinity, signal: stop.signal, logger: loggerFor(journal) })
    service(node)
    journal.follow(node)
    say(`${name} is connected to ${mediator}, in the group ${groups.join(', ')}`)
    node.events.on('connected', () => say('connected again'))
    const error = await node.closed
    if (error) throw error
  } catch (error) {
    if (!stop.signal.aborted) giveUp(error)
  }
  server.close()
  server.closeAllConnections()
  say(`${name} is closed`)
}

function listen(server /*: ReturnType<typeof createServer> */, setting /*: string */, host /*: string */) {
  const port = Number(process.env[setting] ?? 3000)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) giveUp(`${setting} is no port: ${process.env[setting]}`)
  return new Promise((resolve) => {
    server.once('error', (error /*: NodeJS.ErrnoException */) => {
      const taken = `port ${port} is taken by another program: set ${setting} in .env to another one`
      giveUp(error.code === 'EADDRINUSE' ? taken : `the page cannot be served: ${error.message}`)
    })
    server.listen(port, host, () => {
      const address = server.address()
      const actual = typeof address === 'object' && address ? address.port : port
      say(`page: http://${host.includes(':') ? `[${host}]` : host}:${actual}`)
      resolve(undefined)
    })
  })
}

/** While the mediator is away each attempt says the same; once is enough. */
function loggerFor(journal /*: Journal */) {
  let last = ''
  const tell = ({ node } /*: { node?: unknown } */, text /*: string */) => {
    const message = typeof node === 'string' ? `${node} ${text}` : text
    if (message !== last) say(message)
    last = message
  }
  const warn = (fields /*: { node?: unknown } */, message /*: string */) => {
    tell(fields, message)
    if (!journal.status.connected) journal.link(false, message)
  }
  return { debug() {}, info() {}, warn, error: tell }
}

function giveUp(error /*: unknown */) /*: never */ {
  const { code, message } = Object(error)
  say(typeof error === 'string' ? error : `${code ?? 'ERROR'}: ${message ?? error}`)
  process.exit(1)
}

function say(text /*: string */) {
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
}
