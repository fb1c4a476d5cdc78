import { networkInterfaces } from 'node:os'
import { contains, type Ip, parseIp, parseRange } from './ip.js'

const loopback = [parseRange('127.0.0.0/8')!, parseRange('::1')!]

/** Whether an address leads to this machine, in whatever spelling: who listens on `0.0.0.0` listens on all of them. */
export const isThisMachine = (ip: Ip): boolean =>
  loopback.some((range) => contains(range, ip)) ||
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => {
      const own = parseIp(address.replace(/%.*$/, ''))
      return own?.version === ip.version && own.value === ip.value
    }),
  )
