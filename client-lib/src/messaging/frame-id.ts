/** A counter as it stands in a sealed header or a frame id. */
export function counterOf(bytes: Uint8Array, at: number): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return view.readUInt32BE(at) * 2 ** 32 + view.readUInt32BE(at + 4)
}

/** Whether both begin with the same flow: the first 8 bytes of a salt. */
export function sameFlow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 8; i++) if (a[i] !== b[i]) return false
  return true
}
