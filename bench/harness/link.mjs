/**
 * What the harness asks of every system's client (`systems/<name>/client.mjs` exports `open`).
 *
 * @typedef {object} Opening
 * @property {string} name the link's own name, never used twice in a run
 * @property {string | undefined} group a receiver of fan-outs joins it
 * @property {string | undefined} [sendsToGroup] the group that a sender of fan-outs sends to, and does not receive from
 * @property {(body: Uint8Array) => void} onMessage called once per message that arrived
 * @property {boolean} answers also answer calls, with the body that came
 *
 * @typedef {unknown} Address whatever the client found out about a name beforehand
 *
 * @typedef {object} Link
 * @property {(names: readonly string[]) => Promise<void>} [meet] the receivers are there; sender only
 * @property {(name: string) => Promise<Address> | Address} address
 * @property {(group: string) => Promise<Address> | Address} groupAddress
 * @property {(to: Address, body: Buffer) => Promise<unknown> | undefined} send a promise is back-pressure: the burst is
 *   finished, and the next begins when it is resolved
 * @property {(to: Address, body: Buffer) => Promise<Uint8Array>} call
 * @property {(to: Address, body: Buffer) => Promise<unknown> | undefined} broadcast
 * @property {() => number} [failed] sends that the system itself reported as failed
 * @property {() => Promise<void>} close
 *
 * @typedef {(endpoint: Endpoint, opening: Opening) => Promise<Link>} Open
 * @typedef {{ host: string, port: number, folder: string, [more: string]: unknown }} Endpoint
 */
export {}
