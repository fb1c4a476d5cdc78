import { ReadableStream } from 'node:stream/web'
import { gzipSync } from 'node:zlib'
import { FrameReader, FrameType, headerBytes, limits, writeHeader } from '@sealway/protocol'
import { decoded } from '../../../client-lib/src/http/sealed/coding'

const MiB = 1024 * 1024
/** RELIABILITY H5. */
const maxGrowthBytes = 32 * MiB

const memory = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe('H5: small input that becomes much', () => {
  it('a compressed answer of 1:1000 is decoded only as far as it is read', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * MiB))
    expect(bomb.length).toBeLessThan(MiB)
    const before = memory()
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bomb)
        controller.close()
      },
    })
    const reader = decoded(body, 'gzip').getReader()
    let read = 0
    while (read < MiB) read += (await reader.read()).value!.length
    // The decoder is given all the time that it wants to run ahead.
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(memory() - before).toBeLessThan(maxGrowthBytes)
    await reader.cancel()
  })

  it('a frame in a million pieces of one byte costs no more than the frame', () => {
    const frame = Buffer.alloc(headerBytes + MiB)
    writeHeader(frame, 0, FrameType.send, 0, 1, MiB)
    const reader = new FrameReader(limits.maxFrameBytes, (bytes) => new Uint8Array(bytes))
    const before = memory()
    let frames = 0
    const piece = new Uint8Array(1)
    for (const byte of frame) {
      piece[0] = byte
      reader.push(piece, () => void frames++)
    }
    expect([frames, reader.idle]).toEqual([1, true])
    expect(memory() - before).toBeLessThan(maxGrowthBytes)
  })
})
