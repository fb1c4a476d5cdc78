import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const pieceBytes = 16 * 1024 * 1024

/**
 * Reads the writable memory of a child process (Linux: /proc/<pid>/mem, which a parent may read), in pieces of at most
 * 16 MiB. The pieces overlap by 1 KiB, so that no shorter text is cut in two.
 */
export function* memoryOf(pid: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const region = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line)
      if (!region) continue
      const [from, to] = [Number.parseInt(region[1]!, 16), Number.parseInt(region[2]!, 16)]
      for (let at = from; at < to; at += pieceBytes - 1_024) {
        const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, to - at))
        const read = readAt(memory, piece, at)
        if (read > 0) yield piece.subarray(0, read)
      }
    }
  } finally {
    closeSync(memory)
  }
}

/** Regions can vanish, and some cannot be read at all: those hold nothing that a program wrote. */
function readAt(memory: number, piece: Buffer, at: number): number {
  try {
    return readSync(memory, piece, 0, piece.length, at)
  } catch {
    return 0
  }
}
