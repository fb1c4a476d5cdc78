import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node } from '@sealway/client'
import { encodeFrame, encodeJson, encodeOpen, FrameType } from '@sealway/protocol'
import WebSocket from 'ws'
import { countOf } from '../support/full-run'
import { dial, join as joinLink, noise, sendFrame, tokenFor } from '../support/link'
import { malformedAfterHello, malformedBeforeHello, type Random, seeded } from '../support/malformed'
import { type MediatorProcess, startMediatorProcess } from '../support/spawn-mediator'
import { eventually } from '../support/until'

const framesPerTransport = countOf(100_000, 10_000)
const maxGrowthBytes = 16 * 1024 * 1024
const seed = 77

let folder: string
let mediator: MediatorProcess
let caller: Node
let callee: Node

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-malformed-'))
  mediator = await startMediatorProcess({
    ipcPath: join(folder, 's.sock'),
    limits: { maxUnauthenticated: 100_000, maxUnauthenticatedPerAddress: 100_000 },
  })
  const keys = `mk1_${randomBytes(32).toString('base64url')}`
  const options = { groups: ['bystanders'], keys, token: () => tokenFor(mediator.jwtSecret).token }
  caller = await connect(mediator.url, { name: 'caller', ...options })
  callee = await connect(mediator.url, { name: 'callee', ...options })
  callee.on('double', (command) => 2 * (command.body as number))
})

afterAll(async () => {
  await caller?.close()
  await callee?.close()
  await mediator?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** One end of a link, as little of it as an attacker needs. */
interface Attack {
  write(bytes: Buffer): void
  /** Says no more. */
  end(): void
  /** The mediator ended it. */
  readonly closed: Promise<void>
}
type Dial = () => Promise<Attack>

const upgrade = 'GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: sealway/1\r\n\r\n'

const overSocket = (open: () => Socket): Dial => {
  return () =>
    new Promise((resolve) => {
      const socket = open()
      socket.setNoDelay(true)
      socket.on('error', () => {})
      const closed = new Promise<void>((done) => socket.once('close', () => done()))
      socket.once('data', () => {
        socket.resume()
        resolve({ write: (bytes) => void socket.write(bytes), end: () => socket.end(), closed })
      })
      socket.write(upgrade)
    })
}

/** socket.io by hand: the packets of engine.io and socket.io are a few bytes of text around each piece. */
const overWebSocket = (): Promise<Attack> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${mediator.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
    socket.on('error', () => {})
    const closed = new Promise<void>((done) => socket.once('close', () => done()))
    let packets = 0
    socket.on('message', () => {
      // The first opens engine.io, the second answers our socket.io connect.
      if (++packets === 1) socket.send('40')
      if (packets !== 2) return
      resolve({
        write(bytes) {
          socket.send('451-["link",{"_placeholder":true,"num":0}]')
          socket.send(bytes)
        },
        end: () => socket.close(),
        closed,
      })
    })
  })

/** Plain requests: each piece is a POST, which says where in the stream it begins. */
const overRequests = async (): Promise<Attack> => {
  const at = `${mediator.url}/link`
  const { link } = (await (await fetch(at, { method: 'POST' })).json()) as { link: string }
  const ask = async (method: string, offset: number, body?: Buffer): Promise<void> => {
    const headers = { 'sealway-link': link, 'sealway-offset': String(offset) }
    await (await fetch(at, { method, headers, ...(body ? { body: new Uint8Array(body) } : {}) })).arrayBuffer()
  }
  let offset = 0
  let before = Promise.resolve()
  let end = () => {}
  const closed = new Promise<void>((resolve) => {
    end = () => void before.then(() => ask('DELETE', 0)).then(resolve)
  })
  return {
    write(bytes) {
      const from = offset
      offset += bytes.length
      before = before.then(() => ask('POST', from, bytes))
    },
    end,
    closed,
  }
}

const transports = {
  tcp: () => overSocket(() => connectTcp(Number(new URL(mediator.url).port), '127.0.0.1')),
  ipc: () => overSocket(() => connectTcp(mediator.ipcPath)),
  ws: () => overWebSocket,
  http: () => overRequests,
} satisfies { [name: string]: () => Dial }

/**
 * A link, welcomed or not, and then malformed frames. The first ends it; those behind it are what a mediator that did
 * not stop there would fall over. Every twentieth comes byte by byte, every tenth breaks off in the middle.
 */
async function attack(dialOne: Dial, random: Random, frames: number, token: string): Promise<void> {
  const link = await dialOne()
  const welcomed = random.below(2) === 0
  const parts: Uint8Array[] = []
  if (welcomed) {
    const instance = random.bytes(16).toString('hex')
    parts.push(encodeJson(FrameType.hello, { versions: [1], groups: ['attackers'], instance, token }))
    link.write(Buffer.concat(parts.splice(0)))
    parts.push(encodeOpen(1, 'callee', 'default'))
  }
  for (let i = 0; i < frames; i++) parts.push(welcomed ? malformedAfterHello(random) : malformedBeforeHello(random))
  const bytes = Buffer.concat(parts)
  if (random.below(20) === 0) {
    for (const byte of bytes.subarray(0, 60)) link.write(Buffer.from([byte]))
    link.write(bytes.subarray(60))
  } else {
    link.write(random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes)
  }
  link.end()
  await link.closed
}

/** So many frames over so many links, some of them at once. */
async function storm(dialOne: Dial, random: Random, frames: number, links: number, atOnce: number): Promise<void> {
  const { token } = tokenFor(mediator.jwtSecret)
  let left = links
  const worker = async () => {
    while (left-- > 0) await attack(dialOne, random, Math.ceil(frames / links), token)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** The pair of nodes that has nothing to do with it: one call after the other until told to stop. */
function bystanders() {
  let calls = 0
  let stopped = false
  const failures: unknown[] = []
  const done = (async () => {
    while (!stopped) {
      const answer = await caller.call('callee', 'double', calls).catch((error: unknown) => failures.push(error))
      if (answer !== 2 * calls) failures.push(`${calls} was answered ${String(answer)}`)
      calls++
    }
  })()
  return {
    async stop() {
      stopped = true
      await done
      return { calls, failures }
    },
  }
}

const settled = () =>
  eventually(async () => {
    const { linkCount, links } = await mediator.state()
    return linkCount === 2 && links.tcp === 2
  }, 'the links of the attackers are gone')

describe('R3: malformed frames', () => {
  it.each([
    ['tcp', countOf(6_000, 600), 32],
    ['ipc', countOf(6_000, 600), 32],
    ['ws', countOf(2_000, 200), 16],
    ['http', countOf(2_000, 200), 16],
  ] as const)(
    'over %s, on %i links: no crash, no growth, and calls of others go on',
    async (transport, links, atOnce) => {
      const dialOne = transports[transport]()
      const random = seeded(seed)
      // What is allocated once, like code and pools, must not count as growth.
      await storm(dialOne, random, framesPerTransport / 10, Math.ceil(links / 5), atOnce)
      await settled()
      const before = await mediator.memory()
      const others = bystanders()
      await storm(dialOne, random, framesPerTransport, links, atOnce)
      await settled()
      const { calls, failures } = await others.stop()
      const after = await mediator.memory()
      const state = await mediator.state()
      expect([failures, calls > 10]).toEqual([[], true])
      expect([state.failures, state.queuedBytes, mediator.exited()]).toEqual([[], 0, undefined])
      expect(after.heapUsed - before.heapUsed).toBeLessThan(maxGrowthBytes)
      expect(after.rss - before.rss).toBeLessThan(maxGrowthBytes)
    },
  )
})

describe('what looks right from outside', () => {
  it('sealed frames of noise reach the node they are for, which refuses each of them and goes on', async () => {
    const refused: string[] = []
    const off = callee.events.on('refused', ({ from, code }) => refused.push(`${from} ${code}`))
    const link = await joinLink(mediator.url, mediator.jwtSecret, { name: 'noisy', groups: ['bystanders'] })
    const random = seeded(seed)
    link.open(1, 'callee')
    const others = bystanders()
    for (let i = 0; i < 1_000; i++) {
      const body = random.bytes(96 + random.below(200))
      if (i % 2 === 0) noise(i).copy(body, 0, 0, 80)
      link.send(1, body)
      if (i % 100 === 99) await eventually(() => refused.length === i + 1, 'they were refused')
    }
    expect((await others.stop()).failures).toEqual([])
    expect(new Set(refused.map((line) => line.split(' ')[0]))).toEqual(new Set(['noisy']))
    off()
    link.connection.destroy()
  })

  it.each(['tcp', 'ipc', 'ws', 'http'] as const)(
    'frames in pieces of one byte arrive whole over %s',
    async (transport) => {
      const url = {
        tcp: mediator.url,
        ipc: `unix:${mediator.ipcPath}`,
        ws: mediator.url.replace('http', 'ws'),
        http: `sealway+${mediator.url}`,
      }[transport]
      const link = await dial(url)
      const hello = {
        versions: [1],
        groups: ['g'],
        instance: '0'.repeat(32),
        token: tokenFor(mediator.jwtSecret).token,
      }
      const bytes = Buffer.concat([
        encodeJson(FrameType.hello, { ...hello, name: transport }),
        encodeFrame(FrameType.ping, 0, Buffer.from('are you there?')),
      ])
      for (const byte of bytes) link.write(Uint8Array.of(byte))
      await link.until('welcome', () => link.welcome !== undefined)
      const body = noise(5, 500)
      link.open(1, transport)
      for (const byte of sendFrame(1, body)) link.write(Uint8Array.of(byte))
      expect((await link.next(FrameType.deliver)).body).toEqual(body)
      link.connection.destroy()
    },
  )

  it.each(['__proto__', 'constructor', 'prototype', '_\\u005fproto__'])(
    'JSON with the key %s ends the link as MALFORMED, in a hello as in a query',
    async (key) => {
      const text = `{"type":"peers","group":"g1","${key}":{"polluted":1}}`
      const stranger = await dial(mediator.url)
      stranger.write(encodeFrame(FrameType.hello, 0, Buffer.from(text)))
      const member = await joinLink(mediator.url, mediator.jwtSecret)
      member.write(encodeFrame(FrameType.query, 1, Buffer.from(text)))
      await Promise.all([stranger.untilClosed(), member.untilClosed()])
      expect([stranger.closeCode, member.closeCode]).toEqual(['MALFORMED', 'MALFORMED'])
      expect((await mediator.state()).failures).toEqual([])
    },
  )
})
