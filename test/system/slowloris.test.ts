import { randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect } from '@sealway/client'
import { encodeJson, encodeOpen, FrameType } from '@sealway/protocol'
import { noise, sendFrame, tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { eventually } from '../support/until'

/** What counts is that all are cut; after what time is tested with a clock that stands still. */
const handshakes = 500
const bodies = 100
const healthy = 50

let started: TestMediator
let port: number
const sockets: Socket[] = []

beforeAll(async () => {
  started = await startMediator({ limits: { maxUnauthenticated: 10_000, maxUnauthenticatedPerAddress: 10_000 } })
  port = Number(new URL(started.url).port)
})
afterAll(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await started?.mediator.close()
})

/**
 * Sends the beginning at once and what follows at a byte a second, and never ends its half. One that was told the end
 * goes on writing: only a reset proves that the mediator holds nothing for it any more.
 * @returns when it was cut
 */
function trickle(begin: Uint8Array | string, rest: Uint8Array | string): Promise<void> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
  sockets.push(socket)
  const bytes = Buffer.from(rest)
  let at = 0
  let told = false
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (told) socket.write('x')
      else if (at < bytes.length) socket.write(bytes.subarray(at, ++at))
    }, 1_000)
    socket.on('error', () => {})
    socket.on('end', () => {
      told = true
    })
    socket.on('close', () => {
      clearInterval(timer)
      resolve()
    })
    socket.resume()
    socket.on('connect', () => {
      if (begin.length > 0) socket.write(begin)
    })
  })
}

const upgrade = 'GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: sealway/1\r\n\r\n'
const hello = () =>
  encodeJson(FrameType.hello, {
    versions: [1],
    groups: ['slow'],
    instance: randomBytes(16).toString('hex'),
    token: tokenFor(started.jwtSecret).token,
  })

/** Where in the handshake each of the strangers is when it becomes slow. */
const handshake = (i: number): Promise<void> => {
  switch (i % 5) {
    case 0:
      return trickle('', upgrade)
    case 1:
      return trickle('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'y'.repeat(100))
    case 2:
      return trickle('', '')
    case 3:
      return trickle(upgrade, '')
    default:
      return trickle(upgrade, hello())
  }
}

/** A request's body, or a frame of a link that was welcomed. */
const body = (i: number): Promise<void> => {
  if (i % 2 === 0) {
    const head = 'POST /v1/nodes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n'
    return trickle(head, '{'.repeat(100))
  }
  const begin = Buffer.concat([Buffer.from(upgrade), hello()])
  return trickle(begin, Buffer.concat([encodeOpen(1, 'x', 'y'), sendFrame(1, noise(0, 1_000))]))
}

it('R5: peers that send a byte a second are all cut, and others come and go meanwhile', async () => {
  const inHandshake = Array.from({ length: handshakes }, (_, i) => handshake(i))
  const inBody = Array.from({ length: bodies }, (_, i) => body(i))
  // Where the machine is slow, the first are cut before the last have come.
  await eventually(() => started.mediator.relay.linkCount >= handshakes / 10, 'many are there')
  const keys = `mk1_${randomBytes(32).toString('base64url')}`
  const names = Array.from({ length: healthy }, (_, i) => `healthy-${i}`)
  const nodes = await Promise.all(
    names.map((name) =>
      connect(started.url, { name, groups: ['healthy'], keys, token: () => tokenFor(started.jwtSecret, name).token }),
    ),
  )
  for (const node of nodes) node.on('ping', ({ body }) => body)
  const answers = await Promise.all(nodes.map((node, i) => node.call(names[(i + 1) % healthy]!, 'ping', i)))
  expect(answers).toEqual(names.map((_, i) => i))
  await Promise.all(nodes.map((node) => node.close()))

  // 5 s for the hello, 2 s to go by themselves; 10 s below 1 KiB/s, or 15 s for a request.
  await Promise.all([...inHandshake, ...inBody])
  await eventually(() => started.mediator.relay.linkCount === 0, 'no link is left')
})
