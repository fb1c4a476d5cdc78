// Big endian numbers and texts as hex: what the layouts of SPEC.md are written in.
export const u8 = (value) => hexOf(value, 1)
export const u16 = (value) => hexOf(value, 2)
export const u32 = (value) => hexOf(value, 4)
export const u64 = (value) => hexOf(value, 8)
const hexOf = (value, bytes) =>
  BigInt(value)
    .toString(16)
    .padStart(bytes * 2, '0')

export const text = (value) => Buffer.from(value).toString('hex')
/** One length byte and the UTF-8 bytes. */
export const lp8 = (value) => u8(Buffer.byteLength(value)) + text(value)
export const bytesOf = (hex) => Buffer.from(hex, 'hex')
export const lengthOf = (hex) => hex.length / 2
