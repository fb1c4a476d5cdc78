import type { Browser, Page } from 'playwright-core'
import { mintedBy } from '../../client-lib/src/session/token'
import { openBrowser } from '../support/chromium'
import { Formation } from '../support/formation'
import { startMediator } from '../support/mediator'
import { bundleForPage } from '../support/page-bundle'
import { type PageServer, servePage } from '../support/page-server'
import { clientVectors } from '../support/vectors'

/** What page-entry.ts puts into the page. */
declare const sealway: typeof import('../../client-lib/src/browser/index')
declare const checkVectors: typeof import('../client/browser/check-vectors').checkVectors
declare let own: import('../../client-lib/src/browser/index').Node
declare let states: string[]

const html = '<!doctype html><title>test</title><script type="module" src="/entry.js"></script>'
let formation: Formation
let browser: Browser
let server: PageServer
let page: Page
/** What the browser reports: violations of the policy, errors nobody caught. */
let complaints: string[]

beforeAll(async () => {
  formation = await Formation.start()
  browser = await openBrowser()
  const { code } = await bundleForPage('test/support/page-entry.ts')
  server = await servePage({ '/index.html': html, '/entry.js': code }, formation.url('ws'))
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
  await formation?.close()
})
beforeEach(async () => {
  complaints = []
  page = await browser.newPage()
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.goto(server.url)
  await page.waitForFunction(() => 'sealway' in globalThis)
})
afterEach(() => page.close())

/** What a page of this name is to connect with. */
const optionsOf = (name: string, more: object = {}) => ({
  url: formation.url('ws'),
  name,
  groups: ['g'],
  keys: formation.key,
  token: mintedBy(formation.started.jwtSecret, name, Date.now)(),
  ...more,
})

describe('the browser edition in Chromium, against the real mediator', () => {
  it('agrees with every vector of the protocol', async () => {
    const { wrong, checked } = await page.evaluate((vectors) => checkVectors(vectors), clientVectors())
    expect(wrong).toEqual([])
    expect(checked).toBeGreaterThan(300)
  })

  it('calls, is called, sends, broadcasts and watches peers, with a node of the Node library', async () => {
    const node = await formation.join('node', 'tcp')
    const got: unknown[] = []
    node.on('double', ({ body }) => (body as number) * 2)
    node.on('note', ({ body }, { from }) => void got.push([from, body]))
    await page.evaluate(async (options) => {
      own = await sealway.connect(options)
      own.on('upper', ({ body }) => String(body).toUpperCase())
      own.on('fail', (_, context) => {
        throw context.fail('CLOSED_TODAY', { until: 'Monday' })
      })
    }, optionsOf('page'))
    expect(await page.evaluate(() => own.call('node', 'double', 21))).toBe(42)
    expect(await node.call('page', 'upper', 'grüße')).toBe('GRÜSSE')
    await expect(node.call('page', 'fail')).rejects.toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'CLOSED_TODAY', data: { until: 'Monday' } },
    })
    const numbers = Array.from({ length: 500 }, (_, n) => n)
    const answers = await page.evaluate(
      (all) => Promise.all(all.map((n) => own.call<number>('node', 'double', n))),
      numbers,
    )
    expect(answers).toEqual(numbers.map((n) => n * 2))
    expect(await page.evaluate(() => own.sendAcked('node', 'note', 'kept'))).toMatchObject({ by: 'node' })
    expect(await page.evaluate(() => own.broadcast('g', 'note', 'all'))).toMatchObject({
      targets: ['node'],
    })
    expect((await node.broadcast('g', 'upper', 'x', { want: 'replies' })).replies.get('page')).toBe('X')
    expect(got).toEqual([
      ['page', 'kept'],
      ['page', 'all'],
    ])
    const peers = await page.evaluate(() => own.peers('g'))
    expect(peers.map(({ name, transport }) => `${name} ${transport}`).sort()).toEqual(['node tcp', 'page ws'])
    await page.evaluate(() => own.drain())
    await node.close()
    expect(complaints).toEqual([])
  })

  it('carries bytes of nearly a frame in both directions, and refuses more', async () => {
    const node = await formation.join('node', 'tcp')
    node.on('echo', ({ body }) => body)
    const seen = await page.evaluate(async (options) => {
      const { connect } = sealway
      own = await connect(options)
      const sent = crypto.getRandomValues(new Uint8Array(60_000))
      const large = new Uint8Array(1_000_000).map((_, i) => i % 251)
      const back = await own.call<Uint8Array>('node', 'echo', sent)
      const largeBack = await own.call<Uint8Array>('node', 'echo', large)
      const refused = await own
        .call('node', 'echo', new Uint8Array(2_000_000))
        .catch(({ code, outcome }) => [code, outcome])
      await own.close()
      return {
        back: back.every((byte, i) => byte === sent[i]) && back.length === sent.length,
        large: largeBack.every((byte, i) => byte === large[i]) && largeBack.length === large.length,
        refused,
      }
    }, optionsOf('page'))
    expect(seen).toEqual({ back: true, large: true, refused: ['TOO_LARGE', 'not-delivered'] })
    await node.close()
  })

  it('says what is wrong: token, key, and a mediator that is not there', async () => {
    const node = await formation.join('node', 'tcp')
    node.on('x', () => 1)
    const other = `mk1_${Buffer.alloc(32, 7).toString('base64url')}`
    const codes = await page.evaluate(
      async ([wrongToken, wrongKey, nowhere]) => {
        const { connect } = sealway
        const codeOf = (error: { code: string }) => error.code
        const stranger = await connect(wrongKey!)
        const seen = [
          await connect(wrongToken!).then(() => 'connected', codeOf),
          await stranger.call('node', 'x').then(() => 'answered', codeOf),
          await connect(nowhere!).then(() => 'connected', codeOf),
        ]
        await stranger.close()
        return seen
      },
      [
        optionsOf('page', { token: 'none' }),
        optionsOf('page', { keys: other }),
        optionsOf('page', { url: 'ws://127.0.0.1:9', timeout: 300 }),
      ],
    )
    expect(codes).toEqual(['UNAUTHORIZED', 'UNKNOWN_KEY', 'NOT_CONNECTED'])
    await node.close()
  })

  it('leaves nothing of a key in the page, but in the memory of the tab', async () => {
    const left = await page.evaluate(async (options) => {
      own = await sealway.connect(options)
      const stores = [
        Object.entries(localStorage),
        Object.entries(sessionStorage),
        await indexedDB.databases(),
        await caches.keys(),
        document.cookie,
        document.documentElement.outerHTML.includes('mk1_'),
      ]
      await own.close()
      return stores
    }, optionsOf('page'))
    expect(left).toEqual([[], [], [], [], '', false])
  })

  it('comes back by itself where the mediator restarts, and goes on', async () => {
    const first = await startMediator()
    const port = Number(new URL(first.url).port)
    const served = await servePage(
      { '/index.html': html, '/entry.js': (await bundleForPage('test/support/page-entry.ts')).code },
      first.url.replace('http', 'ws'),
    )
    await page.goto(served.url)
    await page.waitForFunction(() => 'sealway' in globalThis)
    const token = mintedBy(first.jwtSecret, 'page', Date.now)()
    await page.evaluate(
      async (options) => {
        states = []
        own = await sealway.connect(options)
        own.on('still', () => 'here')
        own.events.on('disconnected', () => states.push('disconnected'))
        own.events.on('connected', () => states.push('connected'))
      },
      optionsOf('page', { url: first.url.replace('http', 'ws'), token, limits: { reconnectMaxMs: 200 } }),
    )
    await first.mediator.close()
    await page.waitForFunction(() => states.includes('disconnected'))
    const second = await startMediator({ port, jwtSecret: first.jwtSecret })
    await page.waitForFunction(() => states.at(-1) === 'connected')
    expect(await page.evaluate(() => own.call('page', 'still'))).toBe('here')
    await page.evaluate(() => own.close())
    await second.mediator.close()
    await served.close()
  })
})
