/**
 * Calls over systems that only publish: what is sent names the caller's own topic and numbers the call.
 *
 *     0      1         1+n     5+n
 *     | n    | caller  | id    | body ...
 */

/** @param {string} caller @param {number} id @param {Buffer} body */
export function packRequest(caller, id, body) {
  const bytes = Buffer.allocUnsafe(5 + caller.length + body.length)
  bytes[0] = caller.length
  bytes.write(caller, 1, 'latin1')
  bytes.writeUInt32LE(id, 1 + caller.length)
  body.copy(bytes, 5 + caller.length)
  return bytes
}

/** @param {Buffer} bytes @returns {{ caller: string, answer: Buffer }} the answer is the number of the call, and the body */
export function answerRequest(bytes) {
  const callerEnd = 1 + /** @type {number} */ (bytes[0])
  return { caller: bytes.toString('latin1', 1, callerEnd), answer: bytes.subarray(callerEnd) }
}

/** @param {Buffer} answer */
export function unpackAnswer(answer) {
  return { id: answer.readUInt32LE(0), body: answer.subarray(4) }
}
