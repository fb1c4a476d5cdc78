import { readU32, writeU32 } from '@sealway/protocol'

const two32 = 0x1_0000_0000

/** A big endian u64 as a number; `undefined` from 2^53 on, where numbers are no longer exact: no such value is valid. */
export function readU64(bytes: Uint8Array, at: number): number | undefined {
  const high = readU32(bytes, at)
  return high > 0x1f_ffff ? undefined : high * two32 + readU32(bytes, at + 4)
}

/** @param value a whole number from 0 to 2^53 - 1 */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / two32))
  writeU32(bytes, at + 4, value >>> 0)
}
