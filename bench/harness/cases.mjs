/**
 * What is measured. One measurement (a sender, a receiver, a server, a second or so) can answer for two cases: the
 * server's CPU time is read while `oneway-128` runs, and the links that sit idle in `idle-5000` were set up first.
 *
 * @typedef {'bursts' | 'turns' | 'paced' | 'calls' | 'idle' | 'http'} Kind
 * @typedef {object} Measurement
 * @property {string} name
 * @property {Kind} kind
 * @property {number} bytes size of a body
 * @property {number} receivers links in the receiving process
 * @property {boolean} [fanOut] every message goes to every receiver
 * @property {number} [inFlight] calls, or HTTP connections, at once
 * @property {number} [links] idle links
 * @property {readonly string[]} cases the cases it gives a figure for
 */

/** @type {readonly Measurement[]} */
export const measurements = [
  { name: 'oneway-128', kind: 'bursts', bytes: 128, receivers: 1, cases: ['oneway-128', 'cpu-oneway-128'] },
  { name: 'oneway-1024', kind: 'bursts', bytes: 1024, receivers: 1, cases: ['oneway-1024'] },
  { name: 'oneway-65536', kind: 'bursts', bytes: 65_536, receivers: 1, cases: ['oneway-65536'] },
  { name: 'turn-128', kind: 'turns', bytes: 128, receivers: 1, cases: ['turn-128'] },
  { name: 'paced-128', kind: 'paced', bytes: 128, receivers: 1, cases: ['paced-128'] },
  { name: 'multi-128', kind: 'bursts', bytes: 128, receivers: 16, cases: ['multi-128'] },
  { name: 'call-1-128', kind: 'calls', bytes: 128, receivers: 1, inFlight: 1, cases: ['call-1-128'] },
  { name: 'call-64-128', kind: 'calls', bytes: 128, receivers: 1, inFlight: 64, cases: ['call-64-128'] },
  { name: 'call-64-1024', kind: 'calls', bytes: 1024, receivers: 1, inFlight: 64, cases: ['call-64-1024'] },
  { name: 'fanout-50-128', kind: 'bursts', bytes: 128, receivers: 50, fanOut: true, cases: ['fanout-50-128'] },
  { name: 'fanout-50-1024', kind: 'bursts', bytes: 1024, receivers: 50, fanOut: true, cases: ['fanout-50-1024'] },
  { name: 'http-1-1024', kind: 'http', bytes: 1024, receivers: 1, inFlight: 1, cases: ['http-1-1024'] },
  { name: 'http-64-1024', kind: 'http', bytes: 1024, receivers: 1, inFlight: 64, cases: ['http-64-1024'] },
  { name: 'idle-5000', kind: 'idle', bytes: 0, receivers: 0, links: 5000, cases: ['idle-5000', 'connect'] },
]

/**
 * @typedef {object} Case
 * @property {string} title
 * @property {string} unit
 * @property {'more' | 'less'} better
 */

/** @type {ReadonlyMap<string, Case>} */
export const cases = new Map([
  ['oneway-128', { title: 'one way, 128 B, in bursts', unit: 'messages/s', better: 'more' }],
  ['oneway-1024', { title: 'one way, 1 KiB, in bursts', unit: 'messages/s', better: 'more' }],
  ['oneway-65536', { title: 'one way, 64 KiB, in bursts', unit: 'messages/s', better: 'more' }],
  ['turn-128', { title: 'one way, 128 B, one message per event-loop turn', unit: 'messages/s', better: 'more' }],
  ['paced-128', { title: 'one way, 128 B, 10,000 a second from a timer: latency', unit: 'us', better: 'less' }],
  ['multi-128', { title: 'one way, 128 B, to 16 receivers in turn', unit: 'messages/s', better: 'more' }],
  ['call-1-128', { title: 'calls, 128 B, 1 in flight', unit: 'calls/s', better: 'more' }],
  ['call-64-128', { title: 'calls, 128 B, 64 in flight', unit: 'calls/s', better: 'more' }],
  ['call-64-1024', { title: 'calls, 1 KiB, 64 in flight', unit: 'calls/s', better: 'more' }],
  ['fanout-50-128', { title: 'fan-out to 50, 128 B', unit: 'deliveries/s', better: 'more' }],
  ['fanout-50-1024', { title: 'fan-out to 50, 1 KiB', unit: 'deliveries/s', better: 'more' }],
  [
    'http-1-1024',
    { title: 'HTTP POST of 1 KiB, answered with 1 KiB, 1 connection', unit: 'requests/s', better: 'more' },
  ],
  [
    'http-64-1024',
    { title: 'HTTP POST of 1 KiB, answered with 1 KiB, 64 connections', unit: 'requests/s', better: 'more' },
  ],
  [
    'cpu-oneway-128',
    { title: "the server's CPU time while oneway-128 runs", unit: 'CPU s per million messages', better: 'less' },
  ],
  ['idle-5000', { title: 'server memory per idle link, at 5,000 links', unit: 'KiB per link', better: 'less' }],
  ['connect', { title: 'links set up, 16 at a time, from one process', unit: 'links/s', better: 'more' }],
])
