import { createHmac, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../../server/dist/main.js', import.meta.url))
const client = fileURLToPath(new URL('./client.mjs', import.meta.url))
const defaults =
  'its own command `sealway start` and its public client library, with their defaults: sealed, authenticated, ' +
  'every limit on, registry in SQLite'

const overTcp = transport('sealway', 'Sealway over TCP', ({ port }) => `http://127.0.0.1:${port}`)

/** The three ways to dial one and the same mediator. */
export const sealway = { ...overTcp, http: byName('./tunnel.mjs') }
export const sealwayIpc = transport('sealway-ipc', 'Sealway over a Unix socket', ({ ipcPath }) => `unix:${ipcPath}`)
export const sealwayWs = transport('sealway-ws', 'Sealway over socket.io', ({ port }) => `ws://127.0.0.1:${port}`)

/** HTTP by name without a tunnel: the mediator asks the app at the address that its node registered. */
export const sealwayDirect = {
  ...transport('sealway-direct', 'Sealway, straight to an address', ({ port }) => `http://127.0.0.1:${port}`, {
    HTTP_DIRECT: 'loopback',
  }),
  client: undefined,
  settings: 'its own command with HTTP_DIRECT=loopback, and its defaults otherwise',
  http: byName('./direct.mjs'),
}

/**
 * @param {string} module how the app is made reachable
 * @returns {import('../index.mjs').Http}
 */
function byName(module) {
  return {
    serve: fileURLToPath(new URL(module, import.meta.url)),
    path: (name) => `/one/bench/${name}/echo`,
    headers: ({ secret }) => ({ authorization: `Bearer ${mintToken(secret)}` }),
  }
}

/**
 * @param {string} name
 * @param {string} title
 * @param {(mediator: { port: number, ipcPath: string }) => string} urlOf
 * @param {Record<string, string>} [more] settings besides the defaults
 * @returns {import('../index.mjs').System & { client: string | undefined }}
 */
function transport(name, title, urlOf, more = {}) {
  return {
    name,
    title,
    client,
    settings: defaults,
    packages: ['../client-lib'],
    async start(processes) {
      if (!existsSync(command)) throw new Error('it is not built: make build')
      const [port, adminPort] = [await processes.freePort(), await processes.freePort()]
      const folder = processes.folder(name)
      const ipcPath = path.join(folder, 'link.sock')
      const secret = randomBytes(32).toString('base64url')
      const adminPassword = randomBytes(18).toString('base64url')
      const env = {
        PORT: String(port),
        ADMIN_PORT: String(adminPort),
        IPC_PATH: ipcPath,
        DATABASE_URL: 'sqlite:./sealway.sqlite',
        PROTECTED_BASIC_AND_JWT: secret,
        PROTECTED_ADMIN_PASSWORD: adminPassword,
        ...more,
      }
      const running = await processes.nodeProgram(`${name}.server`, command, {
        args: ['start'],
        env,
        cwd: folder,
        port,
      })
      // The nodes' key: the mediator never sees it.
      const key = `mk1_${randomBytes(32).toString('base64url')}`
      const appPort = await processes.freePort()
      const url = urlOf({ port, ipcPath })
      const adminUrl = `http://127.0.0.1:${adminPort}`
      return {
        endpoint: { host: '127.0.0.1', port, folder, url, secret, key, appPort, adminUrl, adminPassword },
        running,
      }
    },
  }
}

/**
 * As a client would have it: 10 minutes, for HTTP to every node.
 *
 * @param {string} secret
 */
function mintToken(secret) {
  const now = Math.floor(Date.now() / 1_000)
  const claims = {
    iss: 'sealway-node',
    aud: 'sealway',
    sub: 'bench',
    jti: randomBytes(16).toString('hex'),
    iat: now,
    exp: now + 600,
    scopes: ['http:*'],
  }
  const text = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const signed = `${text({ alg: 'HS256', typ: 'JWT' })}.${text(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
