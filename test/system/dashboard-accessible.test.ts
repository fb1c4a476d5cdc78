import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from '../support/chromium'
import { builtDashboard, openTab, type Tab } from '../support/dashboard'
import { FakeFeed, fakeEdge, fakeFrame, fakeHealth, fakeHistory, fakeNode, type Told } from '../support/fake-feed'

/** What axe-core puts into the page. */
declare const axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> }

const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const states = ['online', 'slow', 'draining', 'offline'] as const
const nodes = Array.from({ length: 24 }, (_, at) =>
  fakeNode(`node-${at}`, {
    groups: [`group-${at % 5}`],
    state: states[at % 4]!,
    queueBytes: at % 4 === 1 ? 70_000 : 0,
    lastErrors: at % 6 === 0 ? [{ at: 1_700_000_000_000, to: 'node-1', code: 'OFFLINE' }] : [],
  }),
)
const told: Told = {
  nodes,
  edges: Array.from({ length: 12 }, (_, at) => fakeEdge(`node-${at}`, `node-${at + 5}`, { errorsPerSecond: at % 3 })),
  frames: Array.from({ length: 40 }, (_, at) =>
    fakeFrame('node-1', 'node-2', { outcome: at % 5 ? 'DELIVERED' : 'OFFLINE' }),
  ),
  health: fakeHealth({ errorsPerSecond: 3, overload: 'no-new-links', lagMaxMs: 300, database: 'down' }),
  history: fakeHistory(),
}

let feed: FakeFeed
let browser: Browser
beforeAll(async () => {
  feed = await FakeFeed.start(builtDashboard(), () => told)
  await feed.gateway.registry.audit({
    actor: 'operator:ada',
    action: 'issue-token',
    subject: 'orders-1',
    detail: { tokenId: 'one', scopes: ['send:orders/*'], expiresAt: Date.now() + 3_600_000 },
  })
  browser = await openBrowser()
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await feed?.close()
})

const pages = [
  '/',
  '/nodes',
  '/nodes/node-6',
  '/groups/group-1',
  '/edges/node-1/node-6',
  '/traffic',
  '/try',
  '/tokens',
  '/charts',
  '/health',
]

/** What axe-core finds that is serious or critical: which rule, and where. */
async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  const { violations } = await page.evaluate(() => axe.run())
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`))
}

// A test for each page: axe-core takes its time, and a loaded machine several times of it.
describe.each([
  ['light', 1_280],
  ['dark', 1_280],
  ['light', 390],
  ['dark', 390],
] as const)('in %s, %d px wide, no serious finding of axe-core', (colorScheme, width) => {
  let tab: Tab
  beforeAll(async () => {
    tab = await openTab(browser, { colorScheme, width })
  })
  afterAll(() => tab?.close())

  it('is on the log-in', async () => {
    const { page } = tab
    await page.goto(`${feed.url}/login`)
    await page.getByLabel('Password').waitFor()
    expect(await seriousFindings(page)).toEqual([])
  })

  it.each(pages)('is on %s, and nothing is wider than the screen', async (path) => {
    const { page, complaints } = tab
    await page.goto(feed.link(path))
    await page.getByText('live', { exact: true }).waitFor()
    await page.locator('h1').waitFor()
    if (path === '/traffic') await page.locator('tbody tr[aria-rowindex]').first().click()
    expect(await seriousFindings(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0)
    // On a phone the menu is a row of which a part is seen: the open page is in it.
    const entry = (await page.locator('nav [aria-current]').boundingBox())!
    expect(entry.x).toBeGreaterThanOrEqual(0)
    expect(entry.x + entry.width).toBeLessThanOrEqual(width)
    expect(complaints()).toEqual([])
  })

  it('is on a question', async () => {
    const { page, complaints } = tab
    await page.goto(feed.link('/nodes/node-5'))
    await page.getByRole('button', { name: 'Remove', exact: true, disabled: false }).click()
    await page.getByRole('dialog').waitFor()
    expect(await seriousFindings(page)).toEqual([])
    expect(complaints()).toEqual([])
  })
})

describe('by keyboard alone', () => {
  it('one gets past the menu, through it, and into a row of a table', async () => {
    const { page, close } = await openTab(browser)
    await page.goto(feed.link('/nodes'))
    await page.getByRole('link', { name: 'node-0', exact: true }).waitFor()
    const focused = () => page.evaluate(() => document.activeElement?.textContent)
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('To the content')
    await page.keyboard.press('Enter')
    await page.getByLabel('Find a node').focus()
    await page.keyboard.type('node-1')
    await page.getByText('11 match').waitFor()
    await page.getByRole('link', { name: 'node-1', exact: true }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'node-1' }).waitFor()
    expect(await focused()).toBe('node-1')
    await close()
  })

  it('one stays in the tail of frames when the row that had the focus has gone by', async () => {
    const { page, close } = await openTab(browser)
    await page.goto(feed.link('/traffic'))
    await page.locator('tbody tr[aria-rowindex="2"]').focus()
    feed.tellFrames(Array.from({ length: 200 }, () => fakeFrame('node-3', 'node-4')))
    await page.getByText('240 frames, newest first.').waitFor()
    const region = page.getByRole('region', { name: 'Frames, scrolls' })
    expect(await region.evaluate((element) => element === document.activeElement)).toBe(true)
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex'))).toBe('2')
    await close()
  })

  it('a question is answered with Escape, and nothing was done', async () => {
    const { page, close } = await openTab(browser)
    await page.goto(feed.link('/nodes/node-5'))
    await page.getByRole('button', { name: 'Remove', exact: true, disabled: false }).press('Enter')
    await page.getByRole('dialog').waitFor()
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(feed.gateway.disconnected).toEqual([])
    await close()
  })
})
