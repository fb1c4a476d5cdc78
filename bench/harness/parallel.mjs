/** Set-ups at once: under the 20 unauthenticated connections of one address that our mediator permits. */
export const openAtOnce = 16

/**
 * @template Input, Output
 * @param {readonly Input[]} inputs
 * @param {number} atOnce
 * @param {(input: Input) => Promise<Output>} work
 * @returns {Promise<Output[]>} in the order of the inputs
 */
export async function inParallel(inputs, atOnce, work) {
  /** @type {Output[]} */
  const outputs = []
  const waiting = inputs.entries()
  const worker = async () => {
    for (const [index, input] of waiting) outputs[index] = await work(input)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, inputs.length) }, worker))
  return outputs
}
