import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, Socket } from 'node:net'
import { ReceiveBuffer, type ReceivingSocket } from '../../../server/src/transport/received'

let server: Server
let sockets: Socket[]

beforeEach(async () => {
  sockets = []
  server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  if (server.listening) await new Promise((resolve) => server.close(resolve))
})

/** Both ends of a connection: the one that dialled, and the one that was accepted. */
async function pair(): Promise<[Socket, Socket]> {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const near = dial((server.address() as AddressInfo).port, '127.0.0.1')
  const [far] = await accepted
  sockets.push(near, far)
  return [near, far]
}

/** Resolves when so many bytes have come; tells the memory that each chunk lay in. */
function reading(socket: ReceivingSocket, bytes: number) {
  const chunks: Uint8Array[] = []
  const memory = new Set<ArrayBufferLike>()
  const all = new Promise<Buffer>((resolve) => {
    socket.subscribe((chunk) => {
      memory.add(chunk.buffer)
      chunks.push(new Uint8Array(chunk))
      const read = Buffer.concat(chunks)
      if (read.length >= bytes) resolve(read)
    })
  })
  return { all, memory }
}

it('reads what all sockets receive into the same memory, in order', async () => {
  const received = new ReceiveBuffer()
  const [near1, far1] = await pair()
  const [near2, far2] = await pair()
  const body = Buffer.alloc(300_000, 'abcdefg')
  near1.write(body)
  near2.write(body)
  const first = reading(received.adopt(far1)!, body.length)
  const second = reading(received.adopt(far2)!, body.length)
  expect((await first.all).equals(body)).toBe(true)
  expect((await second.all).equals(body)).toBe(true)
  expect([...first.memory, ...second.memory].every((memory) => memory === [...first.memory][0])).toBe(true)
})

it('tells how much it reads for listeners, of whichever socket', async () => {
  let bytes = 0
  const received = new ReceiveBuffer((read) => {
    bytes += read
  })
  const [near1, far1] = await pair()
  const [near2, far2] = await pair()
  near1.write('to one')
  near2.write('to the other')
  await Promise.all([reading(received.adopt(far1)!, 6).all, reading(received.adopt(far2)!, 12).all])
  expect(bytes).toBe(18)
})

it('reads nothing before somebody listens, and nothing while it is paused', async () => {
  const [near, far] = await pair()
  near.write('early')
  const adopted = new ReceiveBuffer().adopt(far)!
  sockets.push(adopted)
  // Time for the bytes to come, if anything read them.
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  const early = reading(adopted, 5)
  expect(String(await early.all)).toBe('early')
  const late = reading(adopted, 4)
  adopted.pause()
  near.write('late')
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  expect(late.memory.size).toBe(0)
  adopted.resume()
  expect(String(await late.all)).toBe('late')
})

it('is paused by a pause in the turn in which it was resumed', async () => {
  const [near, far] = await pair()
  const adopted = new ReceiveBuffer().adopt(far)!
  sockets.push(adopted)
  const { all, memory } = reading(adopted, 4)
  adopted.pause()
  near.write('soon')
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  expect(memory.size).toBe(0)
  adopted.resume()
  expect(String(await all)).toBe('soon')
})

it('writes, ends one direction after the other, and lets the server close', async () => {
  const [near, far] = await pair()
  const socket = new ReceiveBuffer().adopt(far)!
  const ended = once(socket, 'end')
  socket.subscribe(() => {})
  near.end()
  await ended
  socket.end('the last word')
  let heard = ''
  near.on('data', (chunk) => (heard += String(chunk)))
  await once(near, 'close')
  expect(heard).toBe('the last word')
  await new Promise((resolve) => server.close(resolve))
})

it('is gone with its connection, and the server knows', async () => {
  const [near, far] = await pair()
  const socket = new ReceiveBuffer().adopt(far)!
  socket.on('error', () => {})
  socket.subscribe(() => {})
  // Not `once`: it takes the error, which is right here, for a failure.
  const closed = new Promise((resolve) => socket.on('close', resolve))
  near.resetAndDestroy()
  await closed
  await new Promise((resolve) => server.close(resolve))
})

it('leaves a socket as it is that cannot be read so', async () => {
  class Secure extends Socket {}
  const secure = new Secure()
  const unborn = new Socket()
  const received = new ReceiveBuffer()
  expect([received.adopt(secure), received.adopt(unborn)]).toEqual([undefined, undefined])
})

it('is read as a stream where nobody subscribed, and by a listener from when one does', async () => {
  const [near, far] = await pair()
  const received = new ReceiveBuffer()
  const socket = received.adopt(far)!
  const body = Buffer.alloc(300_000, 'streamed ')
  let read = Buffer.alloc(0)
  const all = new Promise<void>((resolve) => {
    const onData = (chunk: Buffer): void => {
      read = Buffer.concat([read, chunk])
      if (read.length < body.length) return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    // It was made paused, so this is not begun by listening.
    socket.resume()
  })
  near.write(body)
  await all
  expect(read.equals(body)).toBe(true)
  // Whoever adopts it again, with another buffer, gets the same socket.
  expect(new ReceiveBuffer().adopt(socket)).toBe(socket)
  const late = reading(socket, 4)
  near.write('late')
  expect(String(await late.all)).toBe('late')
  expect(late.memory.size).toBe(1)
})

it('stops reading a stream that nobody takes', async () => {
  const [near, far] = await pair()
  const socket = new ReceiveBuffer().adopt(far)!
  sockets.push(socket)
  const begun = new Promise((resolve) => socket.once('data', resolve))
  socket.resume()
  near.write(Buffer.alloc(64 * 1024 * 1024))
  await begun
  socket.pause()
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
  expect(socket.bytesRead).toBeLessThan(4 * 1024 * 1024)
  expect(socket.readableLength).toBeLessThan(1024 * 1024)
})
