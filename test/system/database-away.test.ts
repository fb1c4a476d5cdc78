import { randomBytes } from 'node:crypto'
import { connect, type Node } from '@sealway/client'
import { SealwayError } from '@sealway/protocol'
import { createMediator } from '../../server/src/mediator'
import type { Registry } from '../../server/src/registry/registry'
import { dial, join as joinLink, tokenFor } from '../support/link'
import { testConfig } from '../support/mediator'
import { memoryRegistry } from '../support/memory-registry'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const jwtSecret = randomBytes(32).toString('base64url')
const running: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close()
})

async function node(url: string, name: string): Promise<Node> {
  const made = await connect(url, { name, groups: ['g1'], keys, token: () => tokenFor(jwtSecret, name).token })
  running.push(made)
  return made
}

describe('a database that goes away', () => {
  /** A registry whose every question fails, or hangs until it is let go. */
  async function breakable() {
    const registry = await memoryRegistry()
    const state: { mode: 'well' | 'fails' | 'hangs'; letGo: () => void } = { mode: 'well', letGo: () => {} }
    const hang = new Promise<void>((resolve) => {
      state.letGo = resolve
    })
    const broken = new Proxy(registry, {
      get(target, name: keyof Registry) {
        const method = target[name] as (...args: unknown[]) => unknown
        return async (...args: unknown[]) => {
          if (state.mode === 'fails' && name !== 'close') throw new SealwayError('STORAGE_UNAVAILABLE')
          if (state.mode === 'hangs' && name !== 'close') await hang
          return method.apply(target, args)
        }
      },
    })
    const mediator = await createMediator(testConfig({ limits: { helloTimeoutMs: 600 } }, jwtSecret, 'x'.repeat(20)), {
      registry: broken,
    })
    running.push(mediator)
    return { state, ...(await mediator.listen()) }
  }

  it.each(['fails', 'hangs'] as const)('%s: live traffic goes on, and who comes anew is told', async (mode) => {
    const { state, url } = await breakable()
    const [a, b] = [await node(url, 'a'), await node(url, 'b')]
    b.on('echo', (command) => command.body)
    await a.call('b', 'echo', 0)
    state.mode = mode
    const late = await dial(url)
    late.hello({ name: 'late', token: tokenFor(jwtSecret).token })
    for (let i = 0; i < 100; i++) expect(await a.call('b', 'echo', i)).toBe(i)
    await late.untilClosed()
    expect(late.closeCode).toBe('STORAGE_UNAVAILABLE')
    expect(await a.call('b', 'echo', 'still')).toBe('still')
    state.mode = 'well'
    state.letGo()
    await joinLink(url, jwtSecret, { name: 'late' })
  })
})
