/**
 * A process with many nodes, for what the cases do not cover: nodes that only sit there, that answer, that call each
 * other at a light pace, or that flood. One command at a time over IPC, one answer each, as in worker.mjs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@sealway/client'
import { obey } from './obey.mjs'

/** Hellos under way at once: a mediator takes 20 per address. */
const atOnce = 10
/** Each node calls another so often, and every tenth time sends with a receipt too, ms. */
const paceMs = 20
/** What a node that is busy takes over each message, ms. */
const busyMs = 20
const body = Buffer.alloc(128, 'sealway bench ')

/** @type {import('@sealway/client').Node[]} */
const nodes = []
/** Ids of messages with a receipt that a handler has seen. @type {Set<string>} */
const seen = new Set()
let serial = 0
let received = 0
let flooding = false
/** @type {Promise<unknown>} */
let flood = Promise.resolve()
let fired = 0
let refused = 0

/** @type {Record<string, (argument: any) => Promise<unknown>>} */
const commands = {
  /** @param {{ endpoint: any, members: { name: string, groups: string[] }[], busy?: boolean }} crowd */
  async join({ endpoint, members, busy = false }) {
    process.env.PROTECTED_BASIC_AND_JWT = endpoint.secret
    for (let at = 0; at < members.length; at += atOnce) {
      const batch = members.slice(at, at + atOnce)
      nodes.push(
        ...(await Promise.all(batch.map((member) => connect(endpoint.url, { ...member, keys: endpoint.key })))),
      )
    }
    for (const node of nodes) {
      node.on('echo', (message) => message.body)
      node.on('acked', (message) => void seen.add(String(message.body)))
      node.on('flood', busy ? () => sleep(busyMs) : () => void received++)
    }
  },
  /** Everybody calls the next one at the pace, for so long. Latencies in us. @param {{ ms: number }} phase */
  async exchange({ ms }) {
    /** @type {number[]} */
    const latencies = []
    const acked = { sent: 0, lost: 0 }
    /** @type {Record<string, number>} */
    const failures = {}
    const failed = (/** @type {any} */ error) => {
      failures[error.code ?? error.message] = (failures[error.code ?? error.message] ?? 0) + 1
    }
    /** @type {Promise<void>[]} */
    const open = []
    const call = async (/** @type {any} */ from, /** @type {string} */ to) => {
      const startedAt = process.hrtime.bigint()
      await from.call(to, 'echo', body)
      latencies.push(Number(process.hrtime.bigint() - startedAt) / 1_000)
    }
    const send = async (/** @type {any} */ from, /** @type {string} */ to) => {
      const id = `acked-${++serial}`
      acked.sent++
      await from.sendAcked(to, 'acked', id)
      // The receipt says that the handler is done with it: had it not been here, it would be lost.
      if (!seen.delete(id)) acked.lost++
    }
    const stopAt = Date.now() + ms
    await Promise.all(
      nodes.map(async (node, index) => {
        const to = String(nodes[(index + 1) % nodes.length]?.name)
        await sleep((index * paceMs) / nodes.length)
        for (let turn = 0; Date.now() < stopAt; turn++) {
          open.push(call(node, to).catch(failed))
          if (turn % 10 === 0) open.push(send(node, to).catch(failed))
          await sleep(paceMs)
        }
      }),
    )
    await Promise.all(open)
    const sorted = Float64Array.from(latencies).sort()
    const at = (/** @type {number} */ share) => Number(sorted[Math.floor((sorted.length - 1) * share)])
    return { calls: sorted.length, p50: at(0.5), p99: at(0.99), acked, failures }
  },
  /** Fires at each of these as fast as the library takes it, until told to stop. @param {{ targets: string[] }} at */
  async flood({ targets }) {
    flooding = true
    flood = Promise.all(
      targets.map(async (target) => {
        while (flooding) {
          let wait
          for (let i = 0; i < 512; i++) {
            wait = nodes[0]?.send(target, 'flood', body)?.catch(() => {
              refused++
            })
            fired++
          }
          // The last one's promise stands for all: nothing overtakes one that waits for room.
          await wait
          await new Promise(setImmediate)
        }
      }),
    )
  },
  async calm() {
    flooding = false
    await flood
    return { fired, refused }
  },
  async received() {
    return received
  },
  async quit() {
    setImmediate(() => process.exit(0))
  },
}

obey(commands)
