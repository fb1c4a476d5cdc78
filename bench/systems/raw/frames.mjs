import { headBytes } from '../wire.mjs'

/** A frame on TCP: the length of what follows (4 bytes, little-endian), then the head of `wire.mjs` and the body. */
export const lengthBytes = 4
export const prefixBytes = lengthBytes + headBytes

/** One write to a socket: large enough that the system call is not what costs, small enough to stay in a cache. */
export const writeBytes = 64 * 1024

/** A body from this size on is written as it is, instead of being copied into a block. */
export const ownWriteBytes = 8 * 1024

/** @param {Buffer} bytes @param {number} at @param {number} route @param {number} tag @param {number} bodyBytes */
export function writePrefix(bytes, at, route, tag, bodyBytes) {
  bytes.writeUInt32LE(headBytes + bodyBytes, at)
  bytes.writeUInt32LE(route, at + 4)
  bytes.writeUInt32LE(tag, at + 8)
}
