import { connect } from '@sealway/client'

/** A node sends within its groups: all of a run share one. */
const everybody = 'bench'

/** @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, { name, group, sendsToGroup, onMessage, answers }) {
  process.env.PROTECTED_BASIC_AND_JWT = String(endpoint.secret)
  let failed = 0
  const groups = [everybody, group, sendsToGroup].filter((one) => one !== undefined)
  const node = await connect(String(endpoint.url), { name, groups, keys: String(endpoint.key) })
  node.on('message', ({ body }) => onMessage(/** @type {Buffer} */ (body)))
  if (answers) node.on('echo', ({ body }) => body)
  node.events.on('dropped', () => failed++)

  return {
    address: (to) => to,
    groupAddress: (to) => `group:${to}`,
    send: (to, body) => node.send(String(to), 'message', body),
    // Fire, as the publish of the others: no report of who was reached.
    broadcast: (to, body) => node.send(String(to), 'message', body),
    call: (to, body) => node.call(String(to), 'echo', body),
    failed: () => failed,
    close: () => node.close(),
  }
}
