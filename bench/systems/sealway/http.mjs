import { connect } from '@sealway/client'

/**
 * The app by its name, through the mediator: over the node's link, or at an address that it registered.
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
