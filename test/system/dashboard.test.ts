import { createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Node } from '@sealway/client'
import { connect } from '@sealway/client'
import type { Browser, Page } from 'playwright-core'
import { mintedBy } from '../../client-lib/src/session/token'
import { openBrowser } from '../support/chromium'
import { builtDashboard, openTab, type Tab } from '../support/dashboard'
import { startMediator, type TestMediator } from '../support/mediator'

const key = `mk1_${randomBytes(32).toString('base64url')}`
const secret = randomBytes(32).toString('base64url')
let dashboard: string
let browser: Browser
let started: TestMediator
let tab: Tab
let page: Page
let nodes: Node[] = []
/** What ends the talk of a test, also of one that failed before it did so itself. */
const chats: (() => Promise<void>)[] = []

beforeAll(async () => {
  dashboard = builtDashboard()
  browser = await openBrowser()
}, 120_000)
afterAll(() => browser?.close())
beforeEach(async () => {
  started = await startMediator({ dashboard, jwtSecret: secret })
  tab = await openTab(browser)
  page = tab.page
})
afterEach(async () => {
  const complaints = tab.complaints()
  const over = Promise.all(chats.splice(0).map((stop) => stop()))
  await tab.close()
  await Promise.all(nodes.map((node) => node.close()))
  nodes = []
  await over
  await started.mediator.close()
  expect(complaints).toEqual([])
})

const at = (path: string) => started.adminUrl + path
const pathOf = () => new URL(page.url()).pathname
const title = (text: string) => page.getByRole('heading', { level: 1, name: text, exact: true })

async function enter(path = '/'): Promise<void> {
  await page.goto(at(`/login?next=${encodeURIComponent(path)}#${started.mediator.loginCode()}`))
  await page.getByText('live', { exact: true }).waitFor()
}

async function join(name: string, group = 'g'): Promise<Node> {
  const token = mintedBy(secret, name, Date.now)
  const node = await connect(started.url, { name, groups: [group], keys: key, token })
  nodes.push(node)
  return node
}

/** Calls again and again until it is stopped. */
function chatter(from: Node, to: string): () => Promise<void> {
  let isOver = false
  const talk = (async () => {
    // A node that is closed refuses at once: without a turn between, nothing else would ever run again.
    while (!isOver) await from.call(to, 'greet', { name: 'Ada' }).catch(() => new Promise(setImmediate))
  })()
  const stop = (): Promise<void> => {
    isOver = true
    return talk
  }
  chats.push(stop)
  return stop
}

describe('logging in', () => {
  it('asks first, says that the password is wrong, and goes to where one wanted to be', async () => {
    await page.goto(at('/nodes'))
    await title('Log in').waitFor()
    expect(pathOf()).toBe('/login')
    await page.getByLabel('User').fill('operator')
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('alert').getByText('User or password is wrong.').waitFor()
    await page.getByLabel('Password').fill(started.adminPassword)
    await page.keyboard.press('Enter')
    await title('Nodes and groups').waitFor()
    expect(pathOf()).toBe('/nodes')
  })

  it('says how long to wait after five wrong passwords', async () => {
    await page.goto(at('/login'))
    await page.getByLabel('User').fill('operator')
    for (let guess = 0; guess < 6; guess++) {
      await page.getByLabel('Password').fill('wrong')
      const answered = page.waitForResponse('**/api/login')
      await page.getByRole('button', { name: 'Log in' }).click()
      expect((await answered).status()).toBe(guess < 5 ? 401 : 429)
      await page.getByRole('button', { name: 'Log in', disabled: false }).waitFor()
    }
    await page.getByRole('alert').getByText('Too many failed logins').waitFor()
  })

  it('takes a link once, leaves no trace of it in the address, and says so when it was used', async () => {
    const link = at(`/login#${started.mediator.loginCode()}`)
    await page.goto(link)
    await title('Topology').waitFor()
    expect(page.url()).toBe(at('/'))
    const other = await openTab(browser)
    await other.page.goto(at('/login'))
    await other.page.getByLabel('Password').waitFor()
    // Where the page is open already the browser only tells it that the address changed.
    await other.page.goto(link)
    await other.page.getByRole('alert').getByText('This link was used already').waitFor()
    expect(other.page.url()).toBe(at('/login'))
    await other.close()
  })

  it('is over with the log-out, in all tabs', async () => {
    await enter('/nodes')
    const second = await page.context().newPage()
    await second.goto(at('/health'))
    await second.getByRole('button', { name: 'Log out' }).click()
    await second.getByText('You are logged out.').waitFor()
    await page.getByText('Your session is over.').waitFor()
    expect(page.url()).toBe(at('/login?next=%2Fnodes'))
    await page.getByLabel('User').fill('operator')
    await page.getByLabel('Password').fill(started.adminPassword)
    await page.keyboard.press('Enter')
    await title('Nodes and groups').waitFor()
  })

  it('goes to no other site, whatever the address asks for', async () => {
    for (const next of ['//evil.example/', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)']) {
      await enter(next)
      expect(page.url()).toBe(at('/'))
    }
  })
})

describe('nodes and traffic', () => {
  it('says what to do while nobody is here, and shows a node as soon as it comes', async () => {
    await enter('/')
    await page.getByText('No node is here yet').waitFor()
    await join('greeter-1', 'demo')
    await page.getByText('1 node in 1 group.').waitFor()
    await page.getByText('No node is here yet').waitFor({ state: 'hidden' })
    await page.getByRole('link', { name: 'Nodes' }).click()
    const row = page.getByRole('row', { name: /greeter-1/ })
    await row.getByText('online').waitFor()
    expect(await row.textContent()).toContain('tcp')
  })

  it('opens a node from the map by mouse and by keyboard', async () => {
    await join('greeter-1', 'demo')
    await enter('/')
    await page.getByText('1 node in 1 group.').waitFor()
    const canvas = page.locator('canvas')
    const { width, height } = (await canvas.boundingBox())!
    // One node is in the middle of its area, and that in the middle of the map.
    await canvas.hover({ position: { x: width / 2, y: height / 2 } })
    await page.locator('.hint').getByText('greeter-1').waitFor()
    await canvas.click({ position: { x: width / 2, y: height / 2 } })
    await title('greeter-1').waitFor()
    await page.goBack()
    await page.getByText('1 node in 1 group.').waitFor()
    await canvas.focus()
    await page.keyboard.press('ArrowRight')
    await page.getByText('greeter-1, online, in demo').waitFor()
    await page.keyboard.press('Enter')
    await title('greeter-1').waitFor()
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('greeter-1')
  })

  it('shows the edge between two nodes with its rate, and of the frames their ciphertext', async () => {
    const [greeter, caller] = [await join('greeter-1'), await join('caller-1')]
    greeter.on('greet', () => 'a very secret answer')
    const stop = chatter(caller, 'greeter-1')
    await enter('/')
    await page.getByRole('link', { name: /caller-1 → greeter-1/ }).click()
    await title('caller-1 → greeter-1').waitFor()
    await page.getByText('The mediator cannot open this').waitFor()
    const hex = await page.getByLabel('Ciphertext, its beginning').textContent()
    expect(hex).toMatch(/^0000( {1,2}[0-9a-f]{2}){16}\n0010/)
    await page
      .getByText(/^[1-9][\d,.k]*\/s$/)
      .first()
      .waitFor()
    await stop()
  })

  it('lists frames, filters, pauses and exports them, and shows no payload anywhere', async () => {
    const [greeter, caller, other] = [await join('greeter-1'), await join('caller-1'), await join('other-1')]
    greeter.on('greet', () => 'CANARY-ANSWER')
    const stops = [chatter(caller, 'greeter-1'), chatter(other, 'greeter-1'), chatter(other, 'nobody')]
    await enter('/traffic')
    await page.getByRole('cell', { name: 'UNKNOWN_NODE' }).first().waitFor()
    await page.getByLabel('From').fill('caller-*')
    await page.getByRole('cell', { name: 'other-1' }).first().waitFor({ state: 'detached' })
    // Two, so that more than one is exported.
    await page.getByRole('cell', { name: 'caller-1' }).nth(1).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText(/^Paused\. [1-9]/).waitFor()
    const downloading = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Export' }).click()
    const text = readFileSync(await (await downloading).path(), 'utf8')
    const frames = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { from: string; sealed: string })
    expect(frames.length).toBeGreaterThan(1)
    expect(new Set(frames.map(({ from }) => from))).toEqual(new Set(['caller-1']))
    expect(Buffer.from(frames.map(({ sealed }) => sealed).join(''), 'hex').includes('CANARY')).toBe(false)
    await page.getByRole('cell', { name: 'caller-1' }).first().click()
    await page.getByText('The mediator cannot open this').waitFor()
    await Promise.all(stops.map((stop) => stop()))
  })

  it('finds a node by a part of its name, and sorts', async () => {
    for (const name of ['orders-1', 'orders-2', 'billing-1']) await join(name, name.split('-')[0]!)
    await enter('/nodes')
    const names = () => page.locator('tbody tr:not(.gap) td:first-child').allTextContents()
    await page.getByText('3 nodes, 3 connected.').waitFor()
    expect(await names()).toEqual(['billing-1', 'orders-1', 'orders-2'])
    await page.getByRole('button', { name: 'Name' }).click()
    expect(await names()).toEqual(['orders-2', 'orders-1', 'billing-1'])
    await page.getByLabel('Find a node').fill('ders')
    await page.getByText('3 nodes, 3 connected; 2 match.').waitFor()
    await page.getByLabel('Group', { exact: true }).selectOption('billing')
    await page.getByText('No node matches').waitFor()
    await page.getByRole('link', { name: 'orders 2' }).click()
    await title('Group orders').waitFor()
    await page.getByText('2 nodes, 2 connected').waitFor()
  })

  it('drains a node after asking, and it comes back', async () => {
    const node = await join('worker-1')
    const left = new Promise<void>((resolve) => node.events.on('disconnected', () => resolve()))
    await enter('/nodes/worker-1')
    await page.getByRole('button', { name: 'Drain' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Drain' }).click()
    await page.getByRole('button', { name: 'Drain it' }).click()
    await page.getByText('worker-1 was asked to finish and leave.').waitFor()
    await left
    await page.getByText('offline').waitFor()
    await page.locator('.head').getByText('online').waitFor()
  })

  it('removes a node after asking, and says so when it cannot', async () => {
    await join('worker-1')
    await enter('/nodes/worker-1')
    await page.getByRole('button', { name: 'Remove', exact: true }).click()
    await page.getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('worker-1 was removed.').waitFor()
    expect(pathOf()).toBe('/nodes')
    expect((await started.mediator.registry.auditTrail({ limit: 5 })).map(({ action }) => action)).toContain('remove')
    await page.goto(at('/nodes/nobody'))
    await page.getByText('No node nobody is registered').waitFor()
    expect(await page.getByRole('button', { name: 'Remove', exact: true }).isDisabled()).toBe(true)
  })
})

describe('the page as a node', () => {
  it('seals and opens in the tab: calls, sends, broadcasts, and is called', async () => {
    const greeter = await join('greeter-1', 'demo')
    const heard: unknown[] = []
    greeter.on('hello', ({ body }, { from }) => {
      heard.push(body)
      return { welcome: from }
    })
    await enter('/try')
    await page.getByLabel('Name', { exact: true }).fill('page-1')
    await page.getByLabel('Payload key').fill(key)
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText('Connected as page-1').waitFor()
    expect(await page.getByLabel('Payload key').inputValue()).toBe('')
    await page.getByLabel('To', { exact: true }).fill('greeter-1')
    await page.getByRole('button', { name: 'Go' }).click()
    await page.getByText('greeter-1 answered hello').waitFor()
    await page.getByText('{"welcome":"page-1"}').waitFor()
    await page.getByText('Broadcast').click()
    await page.getByLabel('To', { exact: true }).fill('group:demo')
    await page.getByRole('button', { name: 'Go' }).click()
    await page.getByText('hello was handed to greeter-1').waitFor()
    await page.getByText('Send', { exact: true }).click()
    await page.getByLabel('To', { exact: true }).fill('nobody')
    await page.getByRole('button', { name: 'Go' }).click()
    await page.getByText('A message to nobody went nowhere: UNKNOWN_NODE').waitFor()
    await page.getByLabel('Body, as JSON').fill('{ no JSON')
    await page.getByRole('button', { name: 'Go' }).click()
    await page.getByText('the body is not JSON').waitFor()
    expect(await greeter.call('page-1', 'knock', '<img src=x onerror=alert(1)>')).toEqual({ heardBy: 'page-1' })
    await page.getByText('greeter-1 says knock').waitFor()
    expect(heard).toEqual([{ from: 'the dashboard' }, { from: 'the dashboard' }])
    // It stays a node while one looks at other pages, and its key is in no storage.
    await page.getByRole('link', { name: 'Nodes' }).click()
    await page
      .getByRole('row', { name: /page-1/ })
      .getByText('ws', { exact: true })
      .waitFor()
    await page.getByRole('link', { name: 'Try it' }).click()
    await page.getByText('Connected as page-1').waitFor()
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
    expect(stored).not.toContain('mk1_')
    await page.getByRole('button', { name: 'Leave' }).click()
    await page.getByText('its key is gone').waitFor()
  })

  it('reaches a group that came after its link, by a link made anew', async () => {
    await enter('/try')
    await page.getByLabel('Payload key').fill(key)
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText(/^Connected as page-/).waitFor()
    const late = await join('late-1', 'late')
    late.on('hello', ({ body }, { from }) => ({ from, body }))
    await page.locator('#try-addresses option[value="group:late"]').waitFor({ state: 'attached' })
    for (const address of ['late-1', 'any:late']) {
      await page.getByLabel('To', { exact: true }).fill(address)
      await page.getByRole('button', { name: 'Go' }).click()
      await page.getByText(`${address} answered hello`).waitFor()
    }
    await page.getByText(/^Connected as page-/).waitFor()
    expect(await page.locator('.log .bad').count()).toBe(0)
  })

  it('says what is wrong with a key', async () => {
    await enter('/try')
    await page.getByLabel('Payload key').fill('mk1_short')
    await page.getByRole('button', { name: 'Connect' }).click()
    await page
      .getByRole('alert')
      .getByText(/^[A-Z_]+: .*mk1_/)
      .waitFor()
  })
})

describe('tokens', () => {
  it('are made, shown once, let a node in, and are revoked', async () => {
    await enter('/tokens')
    await page.getByText('No token is out').waitFor()
    await page.getByLabel('Name of the node').fill('orders-1')
    await page.getByLabel('Groups').fill('orders')
    await page.getByRole('button', { name: 'Make a token' }).click()
    await page.getByText('The token of orders-1: shown this once').waitFor()
    const token = (await page.locator('.secret code').textContent())!
    const node = await connect(started.url, { name: 'orders-1', groups: ['orders'], keys: key, token })
    nodes.push(node)
    await page.getByRole('button', { name: 'Revoke the token of orders-1' }).click()
    await page.getByRole('button', { name: 'Revoke it' }).click()
    await page.getByRole('cell', { name: 'revoked' }).waitFor()
    expect(await node.closed).toMatchObject({ code: 'REVOKED' })
    await page.reload()
    await page.getByRole('cell', { name: 'revoked' }).waitFor()
    expect(await page.content()).not.toContain(token)
  })

  it('are refused where the name is none', async () => {
    await enter('/tokens')
    await page.getByLabel('Name of the node').fill('<b>No</b>')
    await page.getByRole('button', { name: 'Make a token' }).click()
    await page
      .getByRole('status')
      .getByText(/must match pattern|not a valid name/i)
      .waitFor()
  })
})

describe('health and charts', () => {
  it('show how the mediator is', async () => {
    await enter('/health')
    await page.locator('.tile', { hasText: 'Database' }).getByText('up', { exact: true }).waitFor()
    await page.locator('.tile', { hasText: 'Overload' }).getByText('none').waitFor()
    await page.goto(at('/charts'))
    await title('Charts').waitFor()
    await page.getByText('Nothing to draw yet').waitFor()
  })

  it('says so where there is no such page', async () => {
    await enter('/')
    // Only the page itself can lead there: the mediator serves no others.
    await page.evaluate(() => {
      history.pushState(null, '', '/no/such/page')
      dispatchEvent(new PopStateEvent('popstate'))
    })
    await title('There is no such page').waitFor()
    expect((await page.request.get(at('/no/such/page'))).status()).toBe(404)
  })
})

it('chooses light or dark by the system, and by a switch that is remembered', async () => {
  await enter('/')
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await ground()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await ground()
  expect(dark).not.toBe(light)
  await page.getByRole('button', { name: 'Colours: as the system. Change' }).click()
  expect(await ground()).toBe(light)
  await page.reload()
  await page.getByRole('button', { name: 'Colours: light. Change' }).click()
  expect(await ground()).toBe(dark)
})

it('goes on by itself when the mediator is restarted under an open page, and says so', async () => {
  const fixed = { jwtSecret: secret, dashboard }
  const ports = { port: Number(new URL(started.url).port), adminPort: Number(new URL(started.adminUrl).port) }
  const adminPassword = createSecretKey(Buffer.from(started.adminPassword))
  await enter('/nodes')
  await started.mediator.close()
  await page.getByText('The mediator does not answer.').waitFor()
  started = await startMediator({ ...fixed, port: ports.port, config: { adminPort: ports.adminPort, adminPassword } })
  await page.getByText('The mediator was restarted. This page is connected again.').waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  expect(pathOf()).toBe('/nodes')
  await join('worker-1')
  await page.getByRole('row', { name: /worker-1/ }).waitFor()
})
