import { open as openNode } from './client.mjs'

/** The group of those who answer in bench/scale.mjs. */
const pool = 'pool-0'

/** As client.mjs, but what it sends goes to any member of a group. @type {import('../../harness/link.mjs').Open} */
export async function open(endpoint, opening) {
  // A node sends within its groups. The receiver stays out of it: those who sit there anyway are to answer.
  const link = await openNode(endpoint, opening.answers ? opening : { ...opening, sendsToGroup: pool })
  return { ...link, address: () => `any:${pool}` }
}
