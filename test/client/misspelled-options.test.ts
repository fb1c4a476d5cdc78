import type { Node } from '../../client-lib/src/node.js'
import { Net } from '../support/net.js'
import { rejection } from '../support/until.js'

let net: Net
let alice: Node
beforeAll(async () => {
  net = new Net()
  alice = await net.join('alice')
})
afterAll(() => net.close())

/** As JavaScript would: nothing checks the names. */
const js = (options: object) => options as never

describe('an option that is misspelled', () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ['connect', () => net.join('bob', js({ gruops: ['g'] })), 'connect has no option "gruops"; is groups meant?'],
    ['connect, two letters', () => net.join('bob', js({ nmae: 'x' })), 'is name meant?'],
    ['send', () => alice.send('alice', 'x', 1, js({ timout: 1 })), 'send has no option "timout"; is timeout meant?'],
    ['call', () => alice.call('alice', 'x', 1, js({ idempotant: true })), 'is idempotent meant?'],
    ['sendAcked', () => alice.sendAcked('alice', 'x', 1, js({ untill: 'delivered' })), 'is until meant?'],
    ['broadcast', () => alice.broadcast('g', 'x', 1, js({ wants: 'acks' })), 'is want meant?'],
    ['gather', () => alice.gather('g', 'x', 1, js({ needs: 1 })), 'is need meant?'],
    ['publish', () => alice.publish('x.y', 1, js({ goup: 'g' })), 'publish has no option "goup"; there are signal'],
    ['stream', async () => alice.stream('alice', 'x', 1, js({ credits: 4096 })), 'is credit meant?'],
    ['subscribe', async () => alice.subscribe('x', () => {}, js({ consumr: 'c' })), 'is consumer meant?'],
    ['subscribe, without a handler', async () => alice.subscribe('x', js({ onec: true })), 'is once meant?'],
    ['fetch', () => alice.fetch('http://alice/', js({ haeders: {} })), 'is headers meant?'],
    ['fetchAll', () => alice.fetchAll('group:g/', js({ methd: 'GET' })), 'is method meant?'],
    ['createRequester', async () => alice.createRequester(js({ gropu: 'g' })), 'is group meant?'],
    ['a request of a requester', () => alice.createRequester({ group: 'g' })(js({ timeuot: 1 })), 'is timeout meant?'],
    ['webSocket', () => alice.webSocket('ws://alice/', [], js({ maxPayLoad: 1 })), 'is maxPayload meant?'],
    ['expose', async () => alice.expose(() => {}, js({ publik: [] })), 'is public meant?'],
    ['middleware', async () => alice.middleware(js({ pubilc: [] })), 'is public meant?'],
    [
      'on',
      async () => alice.on('x', js({ concurency: 1 }), () => {}),
      'on has no option "concurency"; is concurrency meant?',
    ],
    ['peers', () => alice.peers('g', js({ singal: undefined, time: 1 })), 'peers has no option "time"'],
    ['watchPeers', async () => alice.watchPeers('g', js({ timeou: 1 })), 'is timeout meant?'],
    ['ping', () => alice.ping(undefined, js({ timeoutMs: 1 })), 'is timeout meant?'],
    ['drain', async () => alice.drain(js({ tiemout: 1 })), 'is timeout meant?'],
    ['no object at all', () => alice.call('alice', 'x', 1, js(5_000 as never)), 'must be an object, not number'],
  ])('is refused with the nearest name: %s', async (_what, use, says) => {
    const error = await rejection(use())
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })
    expect(error.message).toContain(says)
  })

  it.each<[string, () => Promise<unknown>, string]>([
    ['want', () => alice.broadcast('g', 'x', 1, js({ want: 'ack' })), "is 'acks' meant?"],
    ['want of publish', () => alice.publish('x.y', 1, js({ want: 'replies' })), "must be 'report' or 'acks'"],
    ['until', () => alice.sendAcked('alice', 'x', 1, js({ until: 'deliverd' })), "is 'delivered' meant?"],
  ])('is refused by its value too: %s', async (_what, use, says) => {
    const error = await rejection(use())
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain(says)
  })

  it('is no matter where it says nothing, or is of the Fetch Standard', async () => {
    alice.on('echo', ({ body }) => body)
    expect(await alice.call('alice', 'echo', 1, js({ misspelled: undefined }))).toBe(1)
    const error = await rejection(alice.fetch('http://alice/', js({ cache: 'no-store', credentials: 'omit' })))
    expect(error.code).toBe('NO_HTTP')
  })
})
