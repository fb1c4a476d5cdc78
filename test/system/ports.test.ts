import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMediator } from '../../server/src/mediator'
import type { Registry } from '../../server/src/registry/registry'
import { dial, join as joinLink, tokenFor } from '../support/link'
import { startMediator, type TestMediator, testConfig } from '../support/mediator'
import { memoryRegistry } from '../support/memory-registry'

const jwtSecret = randomBytes(32).toString('base64url')
let folder: string
const running: { close(): Promise<unknown> }[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-ports-'))
})
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(options: Parameters<typeof startMediator>[0] = {}): Promise<TestMediator> {
  const started = await startMediator({ jwtSecret, ...options })
  running.push(started.mediator)
  return started
}

describe('a mediator that cannot have its port', () => {
  it('says PORT_IN_USE, and which', async () => {
    const { url } = await start()
    const port = Number(new URL(url).port)
    await expect(startMediator({ port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(port)),
    })
    await joinLink(url, jwtSecret, { name: 'a' })
  })

  it('touches nothing that belongs to the one that has it: its nodes stay online', async () => {
    const registry = await memoryRegistry()
    const config = testConfig({}, jwtSecret, 'x'.repeat(20))
    const mediator = await createMediator(config, { registry })
    running.push(mediator)
    const { url } = await mediator.listen()
    await joinLink(url, jwtSecret, { name: 'here' })
    const second = await createMediator(
      { ...config, port: Number(new URL(url).port) },
      { registry: { ...registry, close: async () => {} } },
    )
    await expect(second.listen()).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    expect(await registry.node('here')).toMatchObject({ online: true })
  })

  it('leaves a live Unix socket to its owner: PORT_IN_USE', async () => {
    const ipcPath = join(folder, 's.sock')
    await start({ ipcPath })
    await expect(startMediator({ ipcPath })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await joinLink(`unix:${ipcPath}`, jwtSecret, { name: 'a' })
  })

  it('removes its own Unix socket in the end, so that the next one finds none', async () => {
    const ipcPath = join(folder, 's.sock')
    const { mediator } = await start({ ipcPath })
    await mediator.close()
    running.splice(running.indexOf(mediator), 1)
    expect(existsSync(ipcPath)).toBe(false)
    await start({ ipcPath })
  })
})

it('a hello that comes while the rows of an earlier run are released waits for that', async () => {
  const registry = await memoryRegistry()
  const order: string[] = []
  let release = () => {}
  const slow: Registry = {
    ...registry,
    async releaseAll() {
      await new Promise<void>((resolve) => {
        release = resolve
        listening()
      })
      order.push('released')
      return registry.releaseAll()
    },
    claim(claim) {
      order.push('claimed')
      return registry.claim(claim)
    },
  }
  let listening = () => {}
  const bound = new Promise<void>((resolve) => {
    listening = resolve
  })
  const ipcPath = join(folder, 's.sock')
  const mediator = await createMediator(testConfig({ ipcPath }, jwtSecret, 'x'.repeat(20)), { registry: slow })
  running.push(mediator)
  const listened = mediator.listen()
  await bound
  const early = await dial(`unix:${ipcPath}`)
  early.hello({ name: 'early', token: tokenFor(jwtSecret).token })
  early.write(Buffer.from('000000000400000000000000', 'hex'))
  // Its pong says that the hello before it was read.
  await early.next(5)
  release()
  await listened
  await early.until('welcome', () => early.welcome !== undefined)
  expect(order).toEqual(['released', 'claimed'])
  expect(await registry.node('early')).toMatchObject({ online: true })
})
