import { markAsUntransferable } from 'node:worker_threads'
import { spent } from '../../../server/src/proxy/spent'
import { turns } from '../../support/until'

const KiB = 1024

function untransferable(): Buffer {
  const piece = Buffer.allocUnsafeSlow(8 * KiB).fill('x')
  markAsUntransferable(piece.buffer)
  return piece
}

// The port that nobody listens to closes within the first turns after it was made.
beforeAll(() => turns())

it('frees the memory of a piece at once, without the collector', () => {
  const before = process.memoryUsage().arrayBuffers
  let highest = before
  for (let i = 0; i < 2_000; i++) {
    spent(Buffer.allocUnsafeSlow(64 * KiB))
    highest = Math.max(highest, process.memoryUsage().arrayBuffers)
  }
  expect(highest - before).toBeLessThan(1024 * KiB)
})

it('the piece is empty afterwards', () => {
  const piece = Buffer.allocUnsafeSlow(8 * KiB)
  spent(piece)
  expect(piece.length).toBe(0)
})

it.each([
  ['a part of something larger', Buffer.alloc(64 * KiB, 'x').subarray(16 * KiB)],
  ['its first half', Buffer.alloc(64 * KiB, 'x').subarray(0, 32 * KiB)],
  ["a piece of Node's pool", Buffer.from('x'.repeat(100))],
  ['a small one', Buffer.alloc(4 * KiB, 'x')],
  ['an empty one', Buffer.alloc(0)],
  ['what Node does not hand over', untransferable()],
])('does nothing to %s', (_, piece) => {
  const [length, text] = [piece.length, piece.toString()]
  spent(piece)
  expect([piece.length, piece.toString()]).toEqual([length, text])
})
