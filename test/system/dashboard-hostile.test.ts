import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from '../support/chromium'
import { builtDashboard, openTab, type Tab } from '../support/dashboard'
import { FakeFeed, fakeEdge, fakeFrame, fakeHealth, fakeHistory, fakeNode, type Told } from '../support/fake-feed'

/** Fifty texts that run somewhere, where text is read as markup, an address or code. Each sets `ran`. */
const run = 'window.ran=1'
const hostile = [
  `<script>${run}</script>`,
  `</script><script>${run}</script>`,
  `<img src=x onerror=${run}>`,
  `<img src=x onerror="${run}">`,
  `"><img src=x onerror=${run}>`,
  `'><img src=x onerror=${run}>`,
  `<svg onload=${run}>`,
  `<svg><script>${run}</script></svg>`,
  `<svg><animate onbegin=${run} attributeName=x dur=1s>`,
  `<iframe srcdoc="<script>parent.${run}</script>">`,
  `<iframe src="javascript:parent.${run}">`,
  `<a href="javascript:${run}">x</a>`,
  `javascript:${run}`,
  `JaVaScRiPt:${run}`,
  `data:text/html,<script>${run}</script>`,
  `<body onload=${run}>`,
  `<details open ontoggle=${run}>`,
  `<input autofocus onfocus=${run}>`,
  `<select autofocus onfocus=${run}>`,
  `<video><source onerror=${run}>`,
  `<audio src=x onerror=${run}>`,
  `<object data="javascript:${run}">`,
  `<embed src="javascript:${run}">`,
  `<link rel=stylesheet href=//evil.example/x.css>`,
  `<style>@import '//evil.example/x.css';</style>`,
  `<base href="//evil.example/">`,
  `<meta http-equiv=refresh content="0;url=javascript:${run}">`,
  `<form action="javascript:${run}"><button>x`,
  `<button formaction="javascript:${run}" autofocus>x`,
  `<math><mtext></mtext><script>${run}</script></math>`,
  `<template><script>${run}</script></template>`,
  `<noscript><p title="</noscript><img src=x onerror=${run}>">`,
  `<xmp><img src=x onerror=${run}></xmp>`,
  `<!--><img src=x onerror=${run}>-->`,
  `<![CDATA[<img src=x onerror=${run}>]]>`,
  `<img/src=x/onerror=${run}>`,
  `<img src=x onerror\n=\n${run}>`,
  `<IMG SRC=x ONERROR=${run}>`,
  `&lt;img src=x onerror=${run}&gt;`,
  `\\u003cimg src=x onerror=${run}\\u003e`,
  `%3Cimg%20src=x%20onerror=${run}%3E`,
  `\${${run}}`,
  `{{constructor.constructor('${run}')()}}`,
  `');${run};//`,
  `";${run};//`,
  `\`;${run};//`,
  `__proto__`,
  `constructor`,
  `x" style="background:url(javascript:${run})`,
  `../../x?y#<img src=x onerror=${run}>`,
]

let told: Told
let feed: FakeFeed
let browser: Browser
let tab: Tab
let page: Page

/** Every text that the dashboard is told is hostile. */
function everythingHostile(): Told {
  const nodes = hostile.map((text, at) =>
    fakeNode(text, {
      groups: [hostile[(at + 1) % hostile.length]!],
      client: text,
      transport: text,
      keyIds: [text],
      lastErrors: [{ at: 1, to: text, code: text }],
    }),
  )
  const frames = hostile.map((text) => fakeFrame(text, text, { taker: `${text} `, outcome: text, sealed: text }))
  return {
    nodes,
    edges: hostile.map((text, at) => fakeEdge(text, hostile[(at + 7) % hostile.length]!)),
    frames,
    health: fakeHealth({
      version: hostile[0]!,
      overload: hostile[2]!,
      links: Object.fromEntries(hostile.map((text) => [text, 1])),
    }),
    history: fakeHistory(),
  }
}

beforeAll(async () => {
  const dashboard = builtDashboard()
  told = everythingHostile()
  feed = await FakeFeed.start(dashboard, () => told)
  browser = await openBrowser()
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await feed?.close()
})
beforeEach(async () => {
  tab = await openTab(browser)
  page = tab.page
  await page.goto(feed.link())
  await page.getByText('live', { exact: true }).waitFor()
})
afterEach(() => tab.close())

/** 0 script runs, and no element that text has become. One question: this is asked hundreds of times. */
async function expectHarmless(): Promise<void> {
  const seen = await page.evaluate(() => {
    const count = (selector: string): number => document.querySelectorAll(selector).length
    return {
      ran: 'ran' in window,
      polluted: Object.keys(Object.prototype),
      foreign: count(
        'iframe, object, embed, video, audio, details, math, base, style, form[action], [onerror], [onload], [style*=url]',
      ),
      loaded: count('img:not([src^="/assets/"]), script:not([src^="/assets/"])'),
      origins: [...new Set([...document.querySelectorAll('a')].map(({ origin }) => origin))],
      origin: location.origin,
    }
  })
  const { url } = feed
  expect(seen).toEqual({ ran: false, polluted: [], foreign: 0, loaded: 0, origins: [url], origin: url })
  expect(tab.complaints()).toEqual([])
}

describe('W2: texts from outside with markup in them', () => {
  it('are texts on the map and in its hints', async () => {
    await page.getByText('50 nodes in 50 groups.').waitFor()
    const canvas = page.locator('canvas')
    await canvas.focus()
    for (let step = 0; step < 12; step++) await page.keyboard.press(step % 4 < 2 ? 'ArrowRight' : 'ArrowDown')
    await page.locator('.hint b').waitFor()
    await expectHarmless()
  })

  it.each(['/nodes', '/traffic', '/health', '/charts', '/tokens', '/try'])('are texts on %s', async (path) => {
    for (const text of path === '/tokens' ? hostile : []) {
      const [subject, actor] = [text.replaceAll('\n', ' '), text.replaceAll('\n', ' ').slice(0, 60)]
      const detail = { tokenId: actor, scopes: [text], expiresAt: Date.now() + 3_600_000 }
      await feed.gateway.registry.audit({ actor, action: 'issue-token', subject, detail })
    }
    await page.goto(feed.url + path)
    await page.getByText('live', { exact: true }).waitFor()
    await page.locator('h1').waitFor()
    if (path === '/nodes') await page.getByLabel('Find a node').fill('<img')
    if (path === '/nodes') await page.getByRole('link', { name: hostile[2]!, exact: true }).waitFor()
    if (path === '/tokens') await page.getByRole('cell', { name: hostile[2]!, exact: true }).first().waitFor()
    if (path === '/traffic') await page.locator('tbody tr[aria-rowindex]').first().click()
    await expectHarmless()
  })

  it.each([
    ['a node', (name: string) => `/nodes/${name}`],
    ['a group', (name: string) => `/groups/${name}`],
    ['an edge', (name: string) => `/edges/${name}/${name}`],
  ])('are texts on the page of %s', async (_what, pathOf) => {
    for (const text of hostile) {
      // As a link of the page does it: what a browser makes of an address before it asks for it is not the point here.
      await page.evaluate(
        (to) => {
          history.pushState(null, '', to)
          dispatchEvent(new PopStateEvent('popstate'))
        },
        pathOf(encodeURIComponent(text)),
      )
      await page.locator('h1', { hasText: text.trim().split('\n')[0]! }).waitFor()
      await expectHarmless()
    }
  })

  it('are texts in what a refusal says', async () => {
    await page.goto(`${feed.url}/nodes`)
    await page.getByText('live', { exact: true }).waitFor()
    await page.goto(`${feed.url}/tokens`)
    await page.getByLabel('Name of the node').fill('a')
    await page.getByLabel('Further scopes').fill(hostile[2]!)
    await page.getByRole('button', { name: 'Make a token' }).click()
    await page.locator('.notice').waitFor()
    await expectHarmless()
  })
})

describe('the policy of the page', () => {
  it('lets nothing in from outside, nothing inline, and no markup from text', async () => {
    const policy = (await page.request.get(`${feed.url}/nodes`)).headers()['content-security-policy']!
    const rules = new Map(policy.split('; ').map((rule) => [rule.split(' ')[0]!, rule.split(' ').slice(1).join(' ')]))
    expect(Object.fromEntries(rules)).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'img-src': "'self'",
      'font-src': "'self'",
      'connect-src': "'self'",
      'form-action': "'none'",
      'base-uri': "'none'",
      'frame-ancestors': "'none'",
      'require-trusted-types-for': "'script'",
      'trusted-types': "'none'",
    })
    // Whatever a mistake of ours would try.
    const tried = await page.evaluate(() => {
      const attempts = [
        () => {
          document.body.innerHTML = '<b>x</b>'
        },
        () => document.body.insertAdjacentHTML('beforeend', '<b>x</b>'),
        () => {
          document.createElement('script').text = '1'
        },
      ]
      return attempts.map((attempt) => {
        try {
          attempt()
          return 'ran'
        } catch {
          return 'refused'
        }
      })
    })
    expect(tried).toEqual(['refused', 'refused', 'refused'])
  })

  it('asks for nothing elsewhere, and the first load is under 300 KiB', async () => {
    const fresh = await openTab(browser)
    const origins = new Set<string>()
    const loaded: Promise<number>[] = []
    fresh.page.on('response', (response) => {
      origins.add(new URL(response.url()).origin)
      if (response.request().method() === 'GET')
        loaded.push(
          response
            .request()
            .sizes()
            .then(({ responseBodySize }) => responseBodySize),
        )
    })
    await fresh.page.goto(feed.link())
    await fresh.page.getByText('50 nodes in 50 groups.').waitFor()
    await fresh.page.evaluate(() => document.fonts.ready.then(() => undefined))
    expect([...origins]).toEqual([feed.url])
    const bytes = (await Promise.all(loaded)).reduce((sum, size) => sum + size, 0)
    expect(bytes).toBeGreaterThan(20_000)
    expect(bytes).toBeLessThan(300 * 1_024)
    await fresh.close()
  })

  it('keeps what has a hash in its name for ever, and the page itself not at all', async () => {
    const html = await page.request.get(feed.url)
    expect(html.headers()['cache-control']).toBe('no-store')
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(await html.text())![1]!
    const asset = await page.request.get(feed.url + script)
    expect(asset.headers()).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
      'content-encoding': 'br',
      'x-content-type-options': 'nosniff',
    })
    for (const path of ['/assets/..%2f..%2fpackage.json', '/assets/', '/assets/none.js', '/assets/__proto__']) {
      expect([path, (await page.request.get(feed.url + path)).status()]).toEqual([path, 404])
    }
  })
})

describe('W1: a page of another origin, in the browser of an operator who is logged in', () => {
  let other: Server
  let otherUrl: string
  beforeAll(async () => {
    other = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title>'),
    )
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    // The same host: for the browser the same site, so that the cookie does go along.
    otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`
  })
  afterAll(() => void other.close())

  const writes = [
    ['POST', '/api/nodes', '{"name":"evil","groups":["g"]}'],
    ['PATCH', '/api/nodes/victim', '{"groups":["evil"]}'],
    ['PATCH', '/api/nodes/by-id/1', '{"groups":["evil"]}'],
    ['PATCH', '/api/groups/g/nodes/victim', '{"groups":["evil"]}'],
    ['DELETE', '/api/nodes/victim', undefined],
    ['POST', '/api/nodes/victim/drain', '{}'],
    ['POST', '/api/policies', '{"target":"*","timeout":1}'],
    ['DELETE', '/api/policies', undefined],
    ['POST', '/api/tokens', '{"name":"evil","scopes":["admin:write"]}'],
    ['DELETE', '/api/tokens/x', undefined],
    ['POST', '/api/login', '{"user":"ada","password":"x"}'],
    ['POST', '/api/login/link', '{"code":"x"}'],
    ['POST', '/api/logout', '{}'],
  ] as const

  it('has no effect by any way to write', async () => {
    const { registry, drained } = feed.gateway
    await registry.upsertNode({ name: 'victim' as never, groups: ['g' as never] }, 'test')
    const state = async () => JSON.stringify([await registry.auditTrail({}), await registry.nodes({}), drained])
    const before = await state()
    const evil = await page.context().newPage()
    await evil.goto(otherUrl)
    await evil.evaluate(
      async ({ target, requests }) => {
        for (const [method, path, body] of requests) {
          const init = { credentials: 'include', ...(body === undefined ? {} : { body }) } as const
          const json = { 'content-type': 'application/json', 'x-sealway-request': '1' }
          await fetch(target + path, { ...init, method, headers: json }).catch(() => {})
          await fetch(target + path, {
            ...init,
            method: 'POST',
            body: body ?? '',
            mode: 'no-cors',
            headers: { 'content-type': 'text/plain' },
          }).catch(() => {})
          navigator.sendBeacon(target + path, body ?? '')
          for (const enctype of ['text/plain', 'application/x-www-form-urlencoded']) {
            const frame = document.createElement('iframe')
            frame.name = `f${Math.random()}`
            const form = document.createElement('form')
            Object.assign(form, { method: 'post', action: target + path, target: frame.name, enctype })
            const field = document.createElement('input')
            field.name = (body ?? '').slice(0, -1)
            field.value = '"}'
            form.append(field)
            document.body.append(frame, form)
            const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }))
            form.submit()
            await loaded
          }
        }
      },
      { target: feed.url, requests: writes },
    )
    expect(await state()).toBe(before)
    // And the operator is still logged in.
    await page.reload()
    await page.getByText('live', { exact: true }).waitFor()
    await evil.close()
  })

  it('reads nothing, cannot put the dashboard into a frame, and does not see its cookie', async () => {
    const evil = await page.context().newPage()
    await evil.goto(otherUrl)
    const seen = await evil.evaluate(async (target) => {
      const read = await fetch(`${target}/api/status`, { credentials: 'include' }).then(
        (response) => response.text(),
        () => 'refused',
      )
      const frame = document.createElement('iframe')
      frame.src = target
      const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }))
      document.body.append(frame)
      await loaded
      return { read, cookie: document.cookie, framed: frame.contentDocument?.title }
    }, feed.url)
    expect(seen).toEqual({ read: 'refused', cookie: '', framed: undefined })
    expect(evil.frames().some((frame) => frame.url().startsWith(feed.url))).toBe(false)
    await evil.close()
  })
})
