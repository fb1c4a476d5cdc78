import { randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect, type Node } from '@sealway/client'
import { dial, join as joinLink, tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { eventually } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const jwtSecret = randomBytes(32).toString('base64url')
const running: { close(): Promise<unknown> }[] = []
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const each of running.splice(0).reverse()) await each.close()
})

async function start(options: Parameters<typeof startMediator>[0] = {}): Promise<TestMediator> {
  const started = await startMediator({ jwtSecret, ...options })
  running.push(started.mediator)
  return started
}
async function node(url: string, name: string): Promise<Node> {
  const made = await connect(url, { name, groups: ['g1'], keys, token: () => tokenFor(jwtSecret, name).token })
  running.push(made)
  return made
}

/** Becomes a link and then keeps its half open, whatever the mediator says. */
async function mute(url: string): Promise<Socket> {
  const { port, hostname } = new URL(url)
  const socket = connectTcp({ port: Number(port), host: hostname, allowHalfOpen: true })
  sockets.push(socket)
  socket.on('error', () => {})
  const switched = new Promise<void>((resolve) => socket.once('data', () => resolve()))
  socket.write('GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: sealway/1\r\n\r\n')
  await switched
  return socket
}

describe('a drain', () => {
  it('lets calls in flight be answered, refuses new links, and is over when the last has left', async () => {
    const { mediator, url } = await start({ limits: { goawaySpreadMs: 60_000 } })
    const [caller, callee] = [await node(url, 'caller'), await node(url, 'callee')]
    const begun: (() => void)[] = []
    callee.on('work', (command) => new Promise((resolve) => begun.push(() => resolve(command.body))))
    const calls = Array.from({ length: 50 }, (_, i) => caller.call('callee', 'work', i))
    await eventually(() => begun.length === 50, 'all handlers run')
    const asked = new Promise<void>((resolve) => {
      const off = caller.events.on('disconnected', ({ error }) => {
        off()
        expect(error.code).toBe('DRAINING')
        resolve()
      })
    })
    const drained = mediator.drain()
    // The old links still carry; a new one is told to come back.
    const late = await dial(url)
    await late.untilClosed()
    expect(late.closeFrame).toMatchObject({ code: 'DRAINING', reconnectInMs: expect.any(Number) })
    expect(await Promise.race([drained.then(() => 'over'), Promise.resolve('going on')])).toBe('going on')
    for (const finish of begun) finish()
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    await Promise.all([asked, drained])
    running.splice(running.indexOf(mediator), 1)
  })

  it('gives up at its limit on a node that does not leave', async () => {
    const { mediator, url } = await start({ limits: { drainMs: 300 } })
    const stays = await joinLink(url, jwtSecret, { name: 'stays' })
    const drained = mediator.drain()
    await stays.untilClosed()
    expect(stays.closeCode).toBe('DRAINING')
    await drained
    running.splice(running.indexOf(mediator), 1)
  })

  it.each(['drain', 'close'] as const)('%s: is over although somebody never closes his half', async (how) => {
    const { mediator, url } = await start({ limits: { drainMs: 300 } })
    await mute(url)
    await mediator[how]()
    running.splice(running.indexOf(mediator), 1)
  })
})
