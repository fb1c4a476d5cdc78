// A process (or thread) that seals frames with the built client library and reports whether a nonce came twice.
// Arguments: the payload key, how many frames, in how many flows. Used by test/client/crypto/nonces.test.ts.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { parseKey } from '../../client-lib/dist/esm/crypto/keys.js'
import { PooledRandom } from '../../client-lib/dist/esm/crypto/random.js'
import { SealingFlow } from '../../client-lib/dist/esm/crypto/seal.js'

const [keyText, frames, flows] = isMainThread ? process.argv.slice(2) : workerData
const report = sealAll(parseKey(keyText), Number(frames), Number(flows))
if (isMainThread) process.stdout.write(JSON.stringify(report))
else parentPort.postMessage(report)

function sealAll(key, total, flowCount) {
  const random = new PooledRandom()
  const salts = []
  let repeated = 0
  for (let i = 0; i < flowCount; i++) {
    const flow = new SealingFlow({ key, from: 'a', to: 'b', scope: 'default', random, clock: Date.now })
    const nonces = new Set()
    const count = total / flowCount
    for (let n = 0; n < count; n++) {
      const { header } = flow.seal(1, 0, Buffer.alloc(0), 0, 0)
      // 12 bytes of the link's header, then the sealed one: salt at 20, nonce at 52 to 63.
      if (n === 0) salts.push(header.toString('hex', 32, 64))
      nonces.add(header.toString('latin1', 64, 76))
    }
    repeated += count - nonces.size
  }
  return { salts, repeated }
}
