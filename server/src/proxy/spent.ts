/** Below this it is not worth the call, and Node may have cut it from a pool, bytes. */
const smallestBytes = 8 * 1024

/** Nobody listens: from the first turns on what is sent is dropped, and its memory with it, before the call returns. */
const { port1: nobody, port2: closed } = new MessageChannel()
closed.close()

/**
 * Frees the memory of a piece of a body that was copied on. Node's parser takes fresh memory for each piece, and for a long
 * upload V8 lets tens of MiB of it come together before it collects them. Handing memory over is the one way to be
 * rid of it at once. Does nothing where the piece is part of something larger.
 * @param piece empty afterwards; nobody else may have a view of it
 */
export function spent(piece: Uint8Array): void {
  if (piece.length < smallestBytes || piece.length !== piece.buffer.byteLength) return
  try {
    nobody.postMessage(undefined, [piece.buffer as ArrayBuffer])
  } catch {
    // Memory that Node itself still needs cannot be handed over: the collector will see to it.
  }
}
