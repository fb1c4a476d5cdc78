import { encodeFrame, encodeJson, encodeLp8, FrameType, headerBytes, highestFrameType, limits } from '@sealway/protocol'
import { noise, sendFrame } from './link'

/** A random number generator with a seed, so that what fails can be run again (xorshift32). */
export function seeded(seed: number) {
  let state = seed >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  return {
    below: (limit: number): number => next() % limit,
    bytes: (length: number): Buffer => Buffer.from(Array.from({ length }, () => next() & 255)),
    pick: <T>(list: readonly T[]): T => list[next() % list.length]!,
  }
}
export type Random = ReturnType<typeof seeded>

/** A header alone, of any length and type: what a liar sends. */
export function header(length: number, type: number, route = 0, flags = 0, reserved = 0): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  bytes.writeUInt32BE(length, 0)
  bytes[4] = type
  bytes[5] = flags
  bytes.writeUInt16BE(reserved, 6)
  bytes.writeUInt32BE(route, 8)
  return bytes
}

const poison = '{"versions":[1],"groups":["g1"],"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'
const types = Array.from({ length: highestFrameType }, (_, i) => i + 1)

/** A frame, or the beginning of one, that no mediator may take before the hello. */
export function malformedBeforeHello(random: Random): Buffer {
  switch (random.below(9)) {
    case 0:
      // No frame begins like this: its length alone is over any limit.
      return Buffer.concat([Buffer.from([255]), random.bytes(1 + random.below(200))])
    case 1:
      return lie(random)
    case 2:
      return header(random.below(100), random.pick([0, 20, 100, 255]), random.below(5))
    case 3:
      return header(8 * 1024 + 1 + random.below(1_000_000), FrameType.hello)
    case 4:
      return frame(
        random.pick(types.filter((type) => type !== FrameType.hello)),
        random.below(5),
        random.bytes(random.below(60)),
      )
    case 5:
      return frame(FrameType.hello, 0, random.bytes(random.below(300)))
    case 6:
      return frame(FrameType.hello, 0, Buffer.from(poison))
    case 7:
      return Buffer.from(encodeJson(FrameType.hello, brokenHello(random)))
    default:
      return header(10, FrameType.hello, 0, 0, 1 + random.below(65_535))
  }
}

/** A frame, or the beginning of one, that ends a link that was welcomed. Route 1 is open, no other. */
export function malformedAfterHello(random: Random): Buffer {
  switch (random.below(11)) {
    case 0:
      return Buffer.concat([Buffer.from([255]), random.bytes(1 + random.below(200))])
    case 1:
      return lie(random)
    case 2:
      return header(limits.maxFrameBytes + 1 + random.below(1_000), FrameType.send, 1)
    case 3:
      return frame(FrameType.send, 2 + random.below(1_000_000), noise(0))
    case 4:
      return frame(FrameType.send, 1, random.bytes(random.below(96)))
    case 5:
      return Buffer.from(sendFrame(1, noise(0), 2 + random.below(250)))
    case 6:
      return frame(
        random.pick([
          FrameType.hello,
          FrameType.welcome,
          FrameType.deliver,
          FrameType.credit,
          FrameType.reject,
          FrameType.peers,
        ]),
        1,
        random.bytes(random.below(100)),
      )
    case 7:
      return frame(FrameType.open, random.below(3), Buffer.concat([encodeLp8('x'), random.bytes(1 + random.below(80))]))
    case 8:
      return frame(
        FrameType.query,
        1,
        Buffer.from(random.pick([poison, '{', '[]', '"g1"', '{"type":"x","group":"g1"}'])),
      )
    case 9:
      return frame(FrameType.retire, 2 + random.below(100), Buffer.alloc(0))
    default:
      return frame(FrameType.token, 0, random.bytes(random.below(5_000)))
  }
}

/** 2^31, 2^32 - 1, and what 2^53 would be if lengths had 64 bits. */
const lie = (random: Random): Buffer =>
  random.pick([
    header(2 ** 31, random.pick(types), 1),
    header(2 ** 32 - 1, random.pick(types), 1),
    Buffer.concat([header(2 ** 21, random.pick(types), 1), Buffer.alloc(8)]),
  ])

const frame = (type: number, route: number, body: Uint8Array): Buffer =>
  Buffer.from(encodeFrame(type as FrameType, route, body))

const brokenHello = (random: Random): object => ({
  versions: random.pick<unknown>([[1], [], 'x', [2 ** 40], null]),
  groups: random.pick<unknown>([['g1'], [], [{}], 'g1', null, [''.padEnd(100, 'g')]]),
  token: random.pick<unknown>(['x', '', 'a.b.c', null, {}, 'x'.repeat(4_097)]),
  instance: random.pick<unknown>(['0'.repeat(32), 'x', null, []]),
  name: random.pick<unknown>(['a', 'A', null, {}, '../x']),
  meta: random.pick<unknown>([{}, [], null, { deep: { er: [1] } }]),
})
