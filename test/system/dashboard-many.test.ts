import type { Browser } from 'playwright-core'
import { openBrowser } from '../support/chromium'
import { builtDashboard, openTab, type Tab } from '../support/dashboard'
import { FakeFeed, fakeEdge, fakeFrame, fakeHealth, fakeHistory, fakeNode, type Told } from '../support/fake-feed'

const nodesOf = (total: number) =>
  Array.from({ length: total }, (_, at) =>
    fakeNode(`node-${String(at).padStart(5, '0')}`, { groups: [`group-${at % 20}`], framesInPerSecond: at % 50 }),
  )

let told: Told
let feed: FakeFeed
let browser: Browser
let tab: Tab
beforeAll(async () => {
  feed = await FakeFeed.start(builtDashboard(), () => told)
  browser = await openBrowser()
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await feed?.close()
})
beforeEach(async () => {
  tab = await openTab(browser)
})
afterEach(() => tab.close())

const tell = (nodes: number, edges: number): Told => {
  const all = nodesOf(nodes)
  return {
    nodes: all,
    edges: Array.from({ length: edges }, (_, at) => fakeEdge(all[at % nodes]!.name, all[(at * 7 + 1) % nodes]!.name)),
    frames: Array.from({ length: 200 }, () => fakeFrame(all[0]!.name, all[1]!.name)),
    health: fakeHealth(),
    history: fakeHistory(),
  }
}

/** How many different colours the map shows at some hundred points: an empty canvas has one. */
const coloursOfMap = () =>
  tab.page.evaluate(() => {
    const canvas = document.querySelector('canvas')!
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
    const seen = new Set<string>()
    for (let at = 0; at < data.length; at += 4 * 101) seen.add(data.subarray(at, at + 3).join())
    return seen.size
  })

it.each([
  [10, 12],
  [1_000, 2_000],
  [10_000, 2_000],
])('shows %d nodes and %d edges: on the map, in the list, and one of them', async (nodes, edges) => {
  told = tell(nodes, edges)
  const { page } = tab
  await page.goto(feed.link())
  const words = nodes < 10_000 ? nodes.toLocaleString('en') : '10k'
  await page.getByText(`${words} nodes in ${Math.min(20, nodes)} groups.`).waitFor()
  expect(await coloursOfMap()).toBeGreaterThan(3)
  const canvas = page.locator('canvas')
  await canvas.focus()
  await page.keyboard.press('ArrowRight')
  await page
    .locator('.hint b')
    .getByText(/^node-\d{5}$/)
    .waitFor()
  for (const key of ['+', '+', '-', '0']) await page.keyboard.press(key)
  await page.getByLabel('Find a node').fill('node-00007')
  await page.getByText(`1 of ${words} nodes match.`).waitFor()
  await page.getByRole('link', { name: 'Nodes' }).click()
  await page.getByText(`${words} nodes, ${words} connected.`).waitFor()
  // Only those in sight exist, however many there are.
  expect(await page.locator('tbody tr[aria-rowindex]').count()).toBeLessThan(60)
  expect(await page.getByRole('table').getAttribute('aria-rowcount')).toBe(String(nodes + 1))
  await page.getByRole('button', { name: 'In/s' }).click()
  await page
    .getByRole('region', { name: 'Nodes, scrolls' })
    .evaluate((region) => region.scrollTo(0, region.scrollHeight))
  await page.locator(`tr[aria-rowindex="${nodes + 1}"]`).waitFor()
  await page.getByLabel('Find a node').fill('node-00007')
  await page.getByRole('link', { name: 'node-00007' }).click()
  await page.getByRole('heading', { level: 1, name: 'node-00007' }).waitFor()
  expect(tab.complaints()).toEqual([])
})

it('lists an edge that fails before busier ones, and opens it', async () => {
  const busy = tell(10, 12)
  const failing = fakeEdge('node-00003', 'node-00009', { framesPerSecond: 1, errorsPerSecond: 1 })
  told = { ...busy, edges: [...busy.edges, failing] }
  const { page } = tab
  await page.goto(feed.link())
  const list = page.getByRole('region', { name: 'Busiest edges' })
  await list.getByRole('heading', { name: 'Failing and busiest edges' }).waitFor()
  const first = list.getByRole('link').first()
  expect(await first.textContent()).toBe('node-00003 → node-000091/s · p95 0.40 ms · 1 errors/s')
  await first.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'node-00003 → node-00009' }).waitFor()
  expect(tab.complaints()).toEqual([])
})

it('keeps the edge in its place that somebody points at, and moves it when nobody does', async () => {
  told = tell(10, 0)
  const { page } = tab
  await page.goto(feed.link())
  await page.getByText('10 nodes in 10 groups.').waitFor()
  const edgesOf = (rates: readonly number[]) =>
    rates
      .map((framesPerSecond, at) => fakeEdge(`node-0000${at}`, 'node-00009', { framesPerSecond }))
      .sort((a, b) => b.framesPerSecond - a.framesPerSecond)
  const list = page.getByRole('region', { name: 'Busiest edges' })
  const shown = () => list.locator('.way').allTextContents()
  const row = (at: number) => list.getByRole('link', { name: new RegExp(`^node-0000${at} `) })
  feed.tellEdges(edgesOf([30, 20, 10]))
  await row(0).getByText('30/s').waitFor()
  await row(1).hover()
  feed.tellEdges(edgesOf([1, 2, 3, 4]))
  await row(1).getByText('2/s').waitFor()
  const names = (order: readonly number[]) => order.map((at) => `node-0000${at} → node-00009`)
  expect(await shown()).toEqual(names([0, 1, 2, 3]))
  await page.mouse.move(1, 1)
  feed.tellEdges(edgesOf([5, 6, 7, 8]))
  await row(1).getByText('6/s').waitFor()
  expect(await shown()).toEqual(names([3, 2, 1, 0]))
  // It is still the one that it says.
  await row(1).focus()
  feed.tellEdges(edgesOf([9, 1, 9, 9]))
  await row(1).getByText('1/s').waitFor()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'node-00001 → node-00009' }).waitFor()
  expect(tab.complaints()).toEqual([])
})

it('lists no frame that was on its way for the filter before', async () => {
  told = tell(10, 12)
  const { page } = tab
  await page.goto(feed.link('/traffic'))
  await page.getByText('200 frames, newest first.').waitFor()
  told = { ...told, frames: told.frames.slice(0, 7), late: [fakeFrame('late-1', 'node-00001')] }
  await page.getByLabel('From').fill('node-00000')
  await page.getByText('7 frames, newest first.').waitFor()
  expect(await page.getByRole('cell', { name: 'late-1' }).count()).toBe(0)
  expect(tab.complaints()).toEqual([])
})

it('makes no row of a frame that nobody sees', async () => {
  told = tell(10, 12)
  const { page } = tab
  await page.goto(feed.link('/traffic'))
  await page.getByText('200 frames, newest first.').waitFor()
  // Each change of the filter has the feed tell two hundred more.
  for (let round = 1; round <= 3; round++) {
    await page.getByLabel('From').fill(`node-${round}`)
    await page.waitForFunction(() => document.querySelectorAll('tbody tr[aria-rowindex]').length > 0)
  }
  expect(await page.locator('tbody tr[aria-rowindex]').count()).toBeLessThan(60)
  expect(tab.complaints()).toEqual([])
})
