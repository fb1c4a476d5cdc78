import type { Node } from '@sealway/client'
import type { Outlet } from '../../client-lib/src/messaging/outlet.js'

interface Inside {
  readonly messenger: {
    readonly outlets: { get(to: string, scope: string): Outlet }
    readonly streams: { readonly count: number; record?: () => void }
  }
}

const inside = (node: Node): Inside['messenger'] => (node as unknown as Inside).messenger

/** Streams that a node has open. */
export const openStreams = (node: Node): number => inside(node).streams.count

/** Bytes of streams that wait in a node's outlet. */
export const waitingStreamBytes = (node: Node, to: string): number =>
  inside(node).outlets.get(to, 'default').streamBytes

/** What a node that keeps no rule says on a stream: any bytes as the payload of a record. */
export function sayRaw(node: Node, to: string, number: number, ...payload: (number | Uint8Array | string)[]): void {
  const bytes = Buffer.concat(payload.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))))
  const fill = (buffer: Buffer, at: number): number => at + bytes.copy(buffer, at)
  inside(node).outlets.get(to, 'default').stream(number, bytes.length, fill, { urgent: true })
}

/** From now on it does not answer what comes on streams, as a node that only ever talks. */
export function deaf(node: Node): void {
  inside(node).streams.record = () => {}
}

/** As it was before. */
export function hears(node: Node): void {
  // The method of its class is there again.
  delete inside(node).streams.record
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
