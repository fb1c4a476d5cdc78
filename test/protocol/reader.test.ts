import { encodeFrame, FrameReader, FrameType, headerBytes, highestFrameType } from '@sealway/protocol'
import fc from 'fast-check'

/** Everything the reader hands on, copied out of the chunks it lies in. */
function read(chunks: readonly Uint8Array[], reader = new FrameReader(1_000)): string[] {
  const frames: string[] = []
  for (const chunk of chunks) {
    reader.push(chunk, (bytes, at, end) => frames.push(Buffer.from(bytes.subarray(at, end)).toString('hex')))
    // A transport may reuse its buffer as soon as the call returns.
    chunk.fill(0xee)
  }
  return frames
}

function cut(stream: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [0, ...at.map((n) => n % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  return places.slice(1).map((end, i) => stream.slice(places[i], end))
}

const frame = fc
  .tuple(fc.integer({ min: 1, max: highestFrameType }), fc.nat(0xffff_ffff), fc.uint8Array({ maxLength: 60 }))
  .map(([type, route, body]) => encodeFrame(type as FrameType, route, body))

it('gives the same frames however a stream is cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (frames, cuts) => {
      const reader = new FrameReader(1_000)
      const stream = Buffer.concat(frames)
      expect(read(cut(new Uint8Array(stream), cuts), reader)).toEqual(frames.map((f) => Buffer.from(f).toString('hex')))
      expect(reader.idle).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

it('gives the same frames byte by byte, with empty chunks in between', () => {
  const frames = [
    encodeFrame(FrameType.ping),
    encodeFrame(FrameType.send, 5, Buffer.from('hello')),
    encodeFrame(FrameType.pong),
  ]
  const single = [...Buffer.concat(frames)].flatMap((byte) => [Uint8Array.of(byte), new Uint8Array(0)])
  expect(read(single)).toEqual(frames.map((f) => Buffer.from(f).toString('hex')))
})

it('hands on a frame where it lies, without copying it', () => {
  const chunk = encodeFrame(FrameType.send, 5, Buffer.from('hello'))
  let seen: Uint8Array | undefined
  new FrameReader(1_000).push(chunk, (bytes) => {
    seen = bytes
  })
  expect(seen).toBe(chunk)
})

it('is idle between frames only, so that the end of a cut stream is noticed', () => {
  const reader = new FrameReader(1_000)
  const bytes = encodeFrame(FrameType.ping, 0, Buffer.from('abc'))
  reader.push(bytes.subarray(0, 5), () => {})
  expect(reader.idle).toBe(false)
  reader.push(bytes.subarray(5, 13), () => {})
  expect(reader.idle).toBe(false)
  reader.push(bytes.subarray(13), () => {})
  expect(reader.idle).toBe(true)
})

it('checks the length before it allocates anything', () => {
  const allocated: number[] = []
  const reader = new FrameReader(1_000, (bytes) => {
    allocated.push(bytes)
    return new Uint8Array(bytes)
  })
  for (const lie of ['80000000', 'ffffffff', '000003e9']) {
    expect(() => reader.push(Buffer.from(`${lie}0400000000000000`, 'hex'), () => {})).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
  }
  expect(allocated).toEqual([])
})

it('accepts a body of exactly the limit, and a higher limit from the next frame on', () => {
  const reader = new FrameReader(4)
  const small = encodeFrame(FrameType.hello, 0, new Uint8Array(4))
  const large = encodeFrame(FrameType.send, 0, new Uint8Array(9))
  const sizes: number[] = []
  reader.push(Buffer.concat([small, large]), (_, at, end) => {
    sizes.push(end - at - headerBytes)
    reader.maxBodyBytes = 9
  })
  expect(sizes).toEqual([4, 9])
})

it.each([
  ['type 0', '000000000000000000000000'],
  ['a type that is not known', `00000000${(highestFrameType + 1).toString(16)}00000000000000`],
  ['type 255', '00000000ff00000000000000'],
  ['reserved bits', '000000000400000100000000'],
])('refuses %s, in one chunk or byte by byte', (_, text) => {
  const bytes = Buffer.from(text, 'hex')
  const malformed = expect.objectContaining({ code: 'MALFORMED' })
  expect(() => read([new Uint8Array(bytes)])).toThrow(malformed)
  expect(() => read([...bytes].map((byte) => Uint8Array.of(byte)))).toThrow(malformed)
})

it('meets 100,000 random streams with frames or a typed error', () => {
  // Lengths near the truth, or the limit would end nearly every stream before its type is looked at.
  const small = fc.uint8Array({ minLength: 9, maxLength: 30 }).map((rest) => Uint8Array.of(0, 0, 0, ...rest))
  const random = fc.array(fc.oneof(fc.uint8Array({ maxLength: 30 }), small, frame), { maxLength: 4 })
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(random, (chunks) => {
      let outcome = 'read'
      try {
        read(chunks.map((chunk) => new Uint8Array(chunk)))
      } catch (error) {
        outcome = (error as { code?: string }).code ?? String(error)
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }),
    { numRuns: 100_000 },
  )
  expect([...outcomes.keys()].sort()).toEqual(['MALFORMED', 'TOO_LARGE', 'read'])
})
