import { createServer } from 'node:http'
import { connect } from '@sealway/client'

/**
 * The app by its name, at the address that its node registered.
 *
 * @param {any} endpoint
 * @param {string} name
 * @param {import('node:http').RequestListener} app
 * @param {number} port
 */
export async function serve(endpoint, name, app, port) {
  process.env.PROTECTED_BASIC_AND_JWT = String(endpoint.secret)
  const server = createServer({ keepAliveTimeout: 120_000 }, app)
  await new Promise((resolve) => server.listen(port, '127.0.0.1', 1_024, () => resolve(undefined)))
  await connect(String(endpoint.url), {
    name,
    groups: ['bench'],
    keys: String(endpoint.key),
    endpoints: [{ name: 'web', protocol: 'http', address: '127.0.0.1', port }],
  })
}
