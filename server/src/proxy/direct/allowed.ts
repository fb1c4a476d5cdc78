import { contains, covers, type Ip, parseRange, type Range } from './ip.js'

/** Where direct connections may go: nowhere, to this machine, or to what is listed. */
export type DirectMode = 'off' | 'loopback' | 'list'

/** Addresses, and the ports on them. */
export interface AllowedPlace {
  readonly range: Range
  readonly ports: { readonly from: number; readonly to: number }
}

const range = (text: string): Range => {
  const parsed = parseRange(text)
  if (!parsed) throw new RangeError(`${text} is no range of addresses`)
  return parsed
}

/** No list opens these (RFC 6890 and its registry; RFC 4291). */
const never: readonly Range[] = [
  '0.0.0.0/8', // this network
  '169.254.0.0/16', // link-local; clouds serve their credentials at 169.254.169.254
  '192.88.99.0/24', // 6to4 relays
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and the broadcast address
  '::/128', // nobody
  '::/96', // IPv4-compatible; the loopback in it is for itself below
  '::ffff:0:0/96', // IPv4-mapped: an IPv4 address that looks like none
  '::ffff:0:0:0/96', // IPv4-translated
  '64:ff9b::/96', // NAT64 leads to any IPv4 address
  '64:ff9b:1::/48',
  '100::/64', // discard
  '2001::/32', // Teredo
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  'fe80::/10', // link-local
  'fec0::/10', // site-local
  'ff00::/8', // multicast
  'fd00:ec2::254/128', // credentials of a cloud
].map(range)

/** This machine. */
const loopback: readonly Range[] = ['127.0.0.0/8', '::1/128'].map(range)

/** Opened only by an entry that names a part of them: `0.0.0.0/0` is the Internet, and not what is behind it. */
const onlyNamed: readonly Range[] = [
  ...loopback,
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15', '192.0.0.0/24'].map(range),
  range('fc00::/7'),
]

const everyPort = { from: 1, to: 65_535 }

/**
 * `10.1.0.0/16:8080`, `10.1.2.3:8000-8999`, `[fd00::/8]:*`, with commas between.
 * @returns the first entry that is none of these, where there is one
 */
export function parseAllowed(text: string): readonly AllowedPlace[] | string {
  const places: AllowedPlace[] = []
  for (const entry of text.split(',')) {
    const place = parsePlace(entry.trim())
    if (!place) return entry.trim()
    places.push(place)
  }
  return places
}

function parsePlace(entry: string): AllowedPlace | undefined {
  const match = /^(?:\[([0-9a-f:./]{2,49})\]|([\d./]{7,18})):(\*|\d{1,5}(?:-\d{1,5})?)$/i.exec(entry)
  const parsed = match ? parseRange(match[1] ?? match[2]!) : undefined
  if (!match || !parsed) return undefined
  if (match[3] === '*') return { range: parsed, ports: everyPort }
  const [from, to = from] = match[3]!.split('-').map(Number) as [number, number?]
  return from >= 1 && to <= 65_535 && from <= to ? { range: parsed, ports: { from, to } } : undefined
}

/** Whether a connection may go there. */
export function isAllowed(mode: DirectMode, places: readonly AllowedPlace[], ip: Ip, port: number): boolean {
  const here = loopback.some((one) => contains(one, ip))
  if (!here && never.some((one) => contains(one, ip))) return false
  if (mode === 'loopback') return here
  if (mode === 'off') return false
  const special = onlyNamed.find((one) => contains(one, ip))
  return places.some(
    ({ range, ports }) =>
      contains(range, ip) && port >= ports.from && port <= ports.to && (!special || covers(special, range)),
  )
}
