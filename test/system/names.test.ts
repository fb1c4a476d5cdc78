import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node } from '@sealway/client'
import { dial, join as joinLink, type RawLink, tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'

let folder: string
let started: TestMediator
const open: { close(): Promise<unknown> }[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-names-'))
  // Who is alive may take its time to say so: nobody here loses its name by being slow.
  const limits = { probeMs: 30_000, helloTimeoutMs: 60_000 }
  started = await startMediator({ ipcPath: join(folder, 's.sock'), limits })
})
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})
afterAll(async () => {
  await started?.mediator.close()
  rmSync(folder, { recursive: true, force: true })
})

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const urlOf = (transport: string) =>
  new Map([
    ['ipc', `unix:${started.ipcPath}`],
    ['ws', started.url.replace('http', 'ws')],
    ['http', `sealway+${started.url}`],
  ]).get(transport) ?? started.url

async function node(name: string, transport = 'tcp'): Promise<Node> {
  const token = () => tokenFor(started.jwtSecret, name).token
  const made = await connect(urlOf(transport), { name, groups: ['g1'], keys, token })
  open.push(made)
  return made
}
async function raw(name: string, instance: string, transport = 'tcp'): Promise<RawLink> {
  const link = await joinLink(urlOf(transport), started.jwtSecret, { name, instance })
  open.push({ close: async () => link.connection.destroy() })
  return link
}

describe.each(['tcp', 'ipc', 'ws', 'http'])('over %s', (transport) => {
  it('a second process with the name of a live one is refused NAME_IN_USE, and the first goes on', async () => {
    const first = await node('orders-1', transport)
    first.on('echo', ({ body }) => body)
    await expect(node('orders-1', transport)).rejects.toMatchObject({ code: 'NAME_IN_USE' })
    expect(await (await node('asker')).call('orders-1', 'echo', 1)).toBe(1)
  })

  it('a process that comes back takes its own name over at once', async () => {
    const instance = randomBytes(16).toString('hex')
    const old = await raw('orders-2', instance, transport)
    const back = await raw('orders-2', instance, transport)
    await old.untilClosed()
    expect([old.closeCode, back.welcome!.epoch - old.welcome!.epoch]).toEqual(['SUPERSEDED', 1])
    expect(await started.mediator.registry.node('orders-2')).toMatchObject({ online: true, transport })
  })
})

it('a process that does not answer loses its name to another', async () => {
  const { mediator, url, jwtSecret } = await startMediator({ limits: { helloTimeoutMs: 60_000 } })
  try {
    const silent = await joinLink(url, jwtSecret, { name: 'orders-3', instance: randomBytes(16).toString('hex') })
    const token = () => tokenFor(jwtSecret, 'orders-3').token
    const taker = await connect(url, { name: 'orders-3', groups: ['g1'], keys, token })
    await silent.untilClosed()
    await taker.close()
  } finally {
    await mediator.close()
  }
})

it('of several that claim one name at once exactly one has it', async () => {
  const links = await Promise.all(Array.from({ length: 5 }, () => dial(urlOf('tcp'))))
  for (const link of links) {
    open.push({ close: async () => link.connection.destroy() })
    link.answersPings = true
    link.hello({
      name: 'orders-4',
      instance: randomBytes(16).toString('hex'),
      token: tokenFor(started.jwtSecret).token,
    })
  }
  await Promise.all(links.map((link) => link.until('answer', () => link.welcome !== undefined || link.closed)))
  expect(links.map((link) => (link.welcome ? 'welcome' : link.closeCode)).sort()).toEqual([
    ...Array(4).fill('NAME_IN_USE'),
    'welcome',
  ])
})
