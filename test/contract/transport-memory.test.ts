import { memoryPair } from '@sealway/protocol'
import { transportContract } from './transport.js'

transportContract('memory', async () => ({
  name: 'memory',
  async open() {
    const [near, far] = memoryPair()
    return { near, far }
  },
  async close() {},
}))
