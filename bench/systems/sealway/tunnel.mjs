import { connect } from '@sealway/client'

/**
 * The app by its name, over the link of its node.
 *
 * @param {any} endpoint
 * @param {string} name
 * @param {import('node:http').RequestListener} app
 */
export async function serve(endpoint, name, app) {
  process.env.PROTECTED_BASIC_AND_JWT = String(endpoint.secret)
  const node = await connect(String(endpoint.url), { name, groups: ['bench'], keys: String(endpoint.key) })
  node.expose(app)
}
