import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { mintedBy } from '../../client-lib/src/session/token'
import { openBrowser } from '../support/chromium'
import { Formation } from '../support/formation'
import { bundleForPage } from '../support/page-bundle'
import { type PageServer, servePage } from '../support/page-server'

let formation: Formation
let browser: Browser
let server: PageServer
let page: Page
const complaints: string[] = []

beforeAll(async () => {
  formation = await Formation.start()
  browser = await openBrowser()
  const html = readFileSync(join(__dirname, '../../examples/browser/index.html'), 'utf8')
  const { code } = await bundleForPage('examples/browser/page.ts')
  server = await servePage({ '/index.html': html, '/page.js': code }, formation.url('ws'))
  page = await browser.newPage()
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
  await formation?.close()
})

const logged = (text: string) => page.locator('#log li', { hasText: text }).first().waitFor()

it('the example is a node: it connects, calls, sends, broadcasts, and shows what arrives as text', async () => {
  const greeter = await formation.join('greeter-1', 'tcp', { groups: ['demo'] })
  const got: unknown[] = []
  greeter.on<{ name: string }>('greet', ({ body }, { from }) => {
    got.push(body)
    return `Hello ${body.name}, said to ${from}`
  })
  await page.goto(server.url)
  await page.getByLabel('Mediator').fill(formation.url('ws'))
  await page.getByLabel('Token').fill(mintedBy(formation.started.jwtSecret, 'page-1', Date.now)())
  await page.getByLabel('Payload key').fill(formation.key)
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByText('Connected as page-1.').waitFor()
  expect(await page.locator('#connect input[name=keys]').inputValue()).toBe('')

  await page.getByRole('button', { name: 'Call' }).click()
  await logged('greeter-1 answered "Hello Ada, said to page-1"')
  await page.getByRole('button', { name: 'Broadcast' }).click()
  await logged('it was handed to greeter-1')
  await page.getByLabel('Body').fill('{ "name": "Grace" }')
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  expect(await greeter.call('page-1', 'look', '<img src=x onerror=alert(1)>')).toBe('page-1 has seen it')
  await logged('greeter-1 says look "<img src=x onerror=alert(1)>"')
  expect(await page.locator('img').count()).toBe(0)

  await page.getByRole('textbox', { name: 'To' }).fill('nobody')
  await page.getByRole('button', { name: 'Call' }).click()
  await logged('UNKNOWN_NODE (not-delivered)')
  expect(got).toEqual([{ name: 'Ada' }, { name: 'Ada' }, { name: 'Grace' }])
  expect(complaints).toEqual([])
})
