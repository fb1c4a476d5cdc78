/**
 * Asks over keep-alive connections, each with one request at a time, and counts whole answers. Its own few lines on a
 * socket, so that the one who asks is not what limits: Node's own client takes longer for a request than nginx does.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { obey } from './obey.mjs'

/** @typedef {{ port: number, path: string, headers: Record<string, string>, connections: number, bytes: number }} Job */

let completed = 0
let started = 0
let stopped = false
/** @type {Set<import('node:net').Socket>} */
const sockets = new Set()
/** @type {Promise<void>[]} */
let running = []
/** @type {Job} */
let job

const headEnd = Buffer.from('\r\n\r\n')

/**
 * One connection after the other, until told to stop: some proxies close after each answer.
 *
 * @param {Buffer} request
 */
async function ask(request) {
  while (!stopped) await converse(request)
}

/**
 * One connection, until the other side closes it between two answers. Fails on anything but the answer that was asked for.
 *
 * @param {Buffer} request
 * @returns {Promise<void>}
 */
function converse(request) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true })
    sockets.add(socket)
    let waiting = false
    /** @type {Buffer} what has come of an answer that is not whole */
    let partial = Buffer.alloc(0)
    const next = () => {
      if (stopped) {
        socket.destroy()
        return
      }
      started++
      waiting = true
      socket.write(request)
    }
    socket.on('connect', next)
    socket.on('data', (/** @type {Buffer} */ chunk) => {
      const answer = partial.length === 0 ? chunk : Buffer.concat([partial, chunk])
      partial = answer
      const end = answer.indexOf(headEnd)
      if (end < 0) return
      const head = answer.toString('latin1', 0, end + 2)
      if (!head.startsWith('HTTP/1.1 200') || !head.toLowerCase().includes(`\r\ncontent-length: ${job.bytes}\r\n`)) {
        socket.destroy(new Error(`the answer was ${answer.toString('latin1', 0, 600)}`))
        return
      }
      if (answer.length < end + headEnd.length + job.bytes) return
      partial = Buffer.alloc(0)
      waiting = false
      completed++
      // What the other side is about to close takes no more.
      if (!/\r\nconnection: close\r\n/i.test(head)) next()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      sockets.delete(socket)
      if (waiting) reject(new Error('the connection was closed in the middle of an answer'))
      else resolve()
    })
  })
}

function makeRequest() {
  const headers = {
    host: 'bench',
    ...job.headers,
    'content-type': 'application/octet-stream',
    'content-length': job.bytes,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([
    Buffer.from(`POST ${job.path} HTTP/1.1\r\n${lines.join('')}\r\n`),
    Buffer.alloc(job.bytes, 'sealway bench '),
  ])
}

/** @type {Record<string, (argument: any) => Promise<unknown>>} */
const commands = {
  /** @param {Job} argument */
  async start(argument) {
    job = argument
    const request = makeRequest()
    running = Array.from({ length: job.connections }, () => ask(request))
    // A failure is reported when the run is stopped.
    for (const one of running) one.catch(() => {})
  },
  /** @param {{ warmUpMs: number, measureMs: number }} times */
  async watch({ warmUpMs, measureMs }) {
    await sleep(warmUpMs)
    const from = { completed, at: process.hrtime.bigint() }
    await sleep(measureMs)
    return { counted: completed - from.completed, seconds: Number(process.hrtime.bigint() - from.at) / 1e9 }
  },
  /** Each connection ends with the answer it waits for. */
  async stop() {
    stopped = true
    await Promise.all(running)
    return { started, completed }
  },
  async quit() {
    for (const socket of sockets) socket.destroy()
    setImmediate(() => process.exit(0))
  },
}

obey(commands)
