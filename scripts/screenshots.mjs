// Makes the pictures of the dashboard in docs/images from a real mediator with real nodes: node scripts/screenshots.mjs
// [folder]. Needs a build (npm run build) and Chromium (TEST_CHROMIUM, or one in the usual places).
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { connect } from '../client-lib/dist/esm/index.js'
import { effective } from '../server/dist/config.js'
import { createMediator, parseConfig } from '../server/dist/mediator.js'
import { silentLog } from '../server/dist/observe/log.js'
import { createRegistry } from '../server/dist/registry/create-registry.js'
import { openDatabase } from '../server/dist/store/database.js'
import { migrate } from '../server/dist/store/migrate.js'

const folder = process.argv[2] ?? fileURLToPath(new URL('../docs/images', import.meta.url))
const dashboard = fileURLToPath(new URL('../server/dist/dashboard', import.meta.url))
const program = [process.env.TEST_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** Until rates and percentiles are those of a second under way, and the charts have some points. */
const settleMs = 3_000
const chartsMs = Number(process.env.CHARTS_MS ?? 45_000)

const environment = {
  PORT: '0',
  ADMIN_PORT: '0',
  DATABASE_URL: 'sqlite::memory:',
  PROTECTED_BASIC_AND_JWT: randomBytes(32).toString('base64url'),
  PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
}
const keys = `mk1_${randomBytes(32).toString('base64url')}`
const groups = { web: 3, orders: 4, billing: 2, stock: 3, mail: 1, reports: 1 }

const { mediator, url, adminUrl } = await startMediator()
const nodes = await joinAll()
await startTraffic()
const browser = await chromium.launch({
  executablePath: program.find((path) => path && existsSync(path)),
  args: ['--no-sandbox', '--disable-gpu'],
})
mkdirSync(folder, { recursive: true })
await sleep(chartsMs)
try {
  const pages = [
    ['topology', '/'],
    ['nodes', '/nodes'],
    ['node', '/nodes/orders-1'],
    ['group', '/groups/orders'],
    ['edge', '/edges/orders-1/stock-1'],
    ['traffic', '/traffic', openFrame],
    ['try-it', '/try', tryIt],
    ['tokens', '/tokens', makeTokens],
    ['health', '/health'],
    ['charts', '/charts'],
  ]
  const light = await open('light', 1_280, 800, true)
  for (const [name, path, act] of pages) await picture(light, name, path, act)
  const dark = await open('dark', 1_280, 800)
  await picture(dark, 'topology-dark', '/')
  const phone = await open('dark', 390, 844)
  await picture(phone, 'topology-phone', '/')
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await browser.close()
  await mediator.close()
  // The traffic goes on otherwise.
  process.exit()
}

async function startMediator() {
  const database = await openDatabase(environment.DATABASE_URL, silentLog)
  await migrate(database)
  const mediator = await createMediator(parseConfig(environment, undefined), {
    registry: createRegistry(database),
    dashboard,
    settings: () => effective(environment, undefined),
    memory: () => ({ rssBytes: process.memoryUsage.rss(), heapBytes: process.memoryUsage().heapUsed }),
  })
  return { mediator, ...(await mediator.listen()) }
}

/** A token as an operator makes it: for its own group, and to send to all others. */
async function tokenOf(name, group) {
  const basic = Buffer.from(`admin:${environment.PROTECTED_ADMIN_PASSWORD}`).toString('base64')
  const scopes = Object.keys(groups).flatMap((other) => [`send:${other}/*`, `broadcast:${other}`])
  const response = await fetch(`${adminUrl}/api/tokens`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, groups: [group], scopes, lifeMs: 3_600_000 }),
  })
  return (await response.json()).token
}

async function joinAll() {
  const joined = new Map()
  for (const [group, members] of Object.entries(groups)) {
    for (let number = 1; number <= members; number++) {
      const name = `${group}-${number}`
      const token = await tokenOf(name, group)
      const transport = number === 2 ? url.replace('http', 'ws') : url
      const node = await connect(transport, { name, groups: [group], keys, token })
      node.on('*', async () => {
        await sleep(1)
        return { ok: true }
      })
      joined.set(name, node)
    }
  }
  return joined
}

async function startTraffic() {
  const talk = (from, to, everyMs, body = { sku: 'A1' }) =>
    setInterval(
      () =>
        void nodes
          .get(from)
          .call(to, 'quote', body, { timeout: 1_000 })
          .catch(() => {}),
      everyMs,
    ).unref()
  talk('web-1', 'any:orders', 4)
  talk('web-2', 'any:orders', 7)
  talk('web-3', 'orders-2', 11)
  talk('orders-1', 'stock-1', 9)
  talk('orders-2', 'stock-2', 14)
  talk('orders-1', 'billing-1', 21)
  talk('orders-3', 'billing-2', 26)
  talk('billing-1', 'mail-1', 60, { text: 'x'.repeat(4_000) })
  // One that has left, and is asked all the same.
  await nodes.get('reports-1').close()
  talk('stock-3', 'reports-1', 400)
}

async function open(colorScheme, width, height, takesLogin = false) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, timezoneId: 'UTC' })
  const page = await context.newPage()
  if (takesLogin) {
    await page.goto(`${adminUrl}/login`)
    await page.getByLabel('Password').waitFor()
    await page.screenshot({ path: `${folder}/dashboard-login.png` })
  }
  await page.goto(`${adminUrl}/login#${mediator.loginCode()}`)
  await page.getByText('live', { exact: true }).waitFor()
  return page
}

async function picture(page, name, path, act = async () => {}) {
  await page.goto(adminUrl + path)
  await page.locator('h1').waitFor()
  await sleep(settleMs)
  await act(page)
  await page.screenshot({ path: `${folder}/dashboard-${name}.png` })
  console.log(`dashboard-${name}.png`)
}

async function openFrame(page) {
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.locator('tbody tr[aria-rowindex="4"]').click()
}

async function tryIt(page) {
  await page.getByLabel('Payload key').fill(keys)
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByLabel('To', { exact: true }).fill('any:orders')
  for (const verb of ['call', 'broadcast']) {
    await page.locator(`input[value=${verb}]`).check()
    await page.getByRole('button', { name: 'Go', exact: true }).click()
    await page
      .locator('.log')
      .getByText(verb === 'call' ? 'answered' : 'handed to')
      .first()
      .waitFor()
  }
}

async function makeTokens(page) {
  await page.getByLabel('Name of the node').fill('orders-5')
  await page.getByLabel('Groups').fill('orders')
  await page.getByRole('button', { name: 'Make a token' }).click()
  await page.getByText('shown this once').waitFor()
  // What is in the picture must let nobody in, not even for an hour.
  await page.locator('.secret code').evaluate((code) => {
    code.textContent = 'eyJhbGciOiJIUzI1NiJ9.this-is-where-the-token-stands.not-a-real-signature'
  })
}
