import { createSecretKey, randomBytes } from 'node:crypto'
import { connect, type Node } from '@sealway/client'
import { commandLine, type Screen } from '../support/command-line'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { freePort } from '../support/program'
import { eventually } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const fixed = { jwtSecret: randomBytes(32).toString('base64url') }
const adminPassword = randomBytes(18).toString('base64url')
const begin = '\x1b[?1049h\x1b[?25l'
const end = '\x1b[?25h\x1b[?1049l'
const home = '\x1b[H\x1b[J'

let mediator: TestMediator
let nodes: Node[]
let sealway: ReturnType<typeof commandLine>
let environment: { [name: string]: string }

const config = (adminPort: number, password = adminPassword) => ({
  adminPort,
  adminPassword: createSecretKey(Buffer.from(password)),
})

beforeEach(async () => {
  mediator = await startMediator({ ...fixed, port: await freePort(), config: config(await freePort()) })
  nodes = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      connect(mediator.url, {
        ...{ name: `node-${i}`, groups: ['orders'], keys },
        token: () => tokenFor(fixed.jwtSecret, `node-${i}`).token,
      }),
    ),
  )
  sealway = commandLine()
  environment = {
    PROTECTED_BASIC_AND_JWT: fixed.jwtSecret,
    PROTECTED_ADMIN_PASSWORD: adminPassword,
    ADMIN_PORT: new URL(mediator.adminUrl).port,
  }
})
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()))
  await mediator.mediator.close()
  sealway.remove()
})

/** `sealway top` on a terminal of its own, and what that shows. */
async function top(screen: Screen) {
  const running = sealway.start(environment, ['top'], screen)
  const output = await running.printed
  /** The pictures so far, each from the upper left corner on, as lines. */
  const pictures = (): string[][] =>
    output.out
      .split(home)
      .slice(1)
      .map((text) => text.replace(end, '').split('\n'))
  return { running, output, pictures, shown: () => pictures().at(-1) ?? [] }
}

/** On the ports of the one before. */
async function restart(password = adminPassword): Promise<void> {
  const portOf = (url: string): number => Number(new URL(url).port)
  const { url, adminUrl } = mediator
  mediator = await startMediator({ ...fixed, port: portOf(url), config: config(portOf(adminUrl), password) })
}

it('draws in place, on a screen of its own, and gives the shell its screen and cursor back', async () => {
  const { running, output, pictures } = await top({ rows: 24, columns: 120 })
  await eventually(() => pictures().length >= 2, 'it drew twice')
  sealway.signal()
  expect(await running.ended).toMatchObject({ code: 0, err: '' })
  expect(output.out.startsWith(begin)).toBe(true)
  expect(output.out.endsWith(end)).toBe(true)
  for (const picture of pictures()) {
    expect(picture[0]).toMatch(/^sealway 0\.1\.0 {2}up .* {2}12 nodes$/)
    expect(picture.filter((line) => /^node-\d+ +online +tcp/.test(line))).toHaveLength(12)
  }
  expect(sealway.listeners.size).toBe(0)
})

it('sorts by the column whose key is pressed, at once, and ends with q', async () => {
  const failing = nodes[7]!
  const send = setInterval(() => void failing.send('nobody-1', 'note').catch(() => {}), 20)
  const { running, output, shown, pictures } = await top({ rows: 24, columns: 120 })
  const names = () => shown().flatMap((line) => /^(node-\d+) +online/.exec(line)?.[1] ?? [])
  expect(shown()[2]).toMatch(/^sorted by frames;/)
  await eventually(() => /^node-7 +online +tcp +\d+ +\d+ +[1-9]/m.test(shown().join('\n')), 'its errors are on its row')
  for (const [key, column] of [
    ['n', 'name'],
    ['E', 'errors'],
    ['b', 'queue'],
    ['f', 'frames'],
    ['x', 'frames'],
  ] as const) {
    const before = pictures().length
    sealway.press(key)
    expect([pictures().length, shown()[2]]).toEqual([before + 1, expect.stringMatching(`^sorted by ${column};`)])
    if (column === 'name') expect(names()).toEqual([...names()].sort())
    if (column === 'errors') {
      expect(names()[0]).toBe('node-7')
      expect(shown().find((line) => /^node-7 +nobody-1 /.test(line))).toMatch(/^node-7 +nobody-1 +0 +0 B +[1-9]/)
    }
  }
  clearInterval(send)
  sealway.press('q')
  expect(await running.ended).toMatchObject({ code: 0, err: '' })
  expect(output.out.endsWith(end)).toBe(true)
  expect([sealway.listeners.size, sealway.keyListeners.size]).toEqual([0, 0])
})

it('fits the screen, also one that was made smaller meanwhile, and says how many it leaves out', async () => {
  const screen = { rows: 24, columns: 120 }
  const { running, shown, pictures } = await top(screen)
  for (const size of [
    { rows: 14, columns: 40 },
    { rows: 6, columns: 20 },
  ]) {
    Object.assign(screen, size)
    const before = pictures().length
    await eventually(() => pictures().length > before + 1, 'it drew for this size')
    expect(shown().length).toBeLessThan(size.rows)
    expect(Math.max(...shown().map((line) => line.length))).toBeLessThanOrEqual(size.columns)
    expect(shown()[0]).toMatch(/^sealway 0\.1\.0/)
    if (size.rows === 14) expect(shown()).toContainEqual(expect.stringMatching(/^ {2}and \d+ more$/))
  }
  sealway.signal('SIGINT')
  expect((await running.ended).code).toBe(0)
})

it('waits for a mediator that restarts, says so, and goes on', async () => {
  const { running, shown } = await top({ rows: 24, columns: 120 })
  await mediator.mediator.drain()
  await eventually(() => /mediator is away/.test(shown()[0] ?? ''), 'it says that the mediator is away')
  await restart()
  await eventually(() => /^sealway 0\.1\.0 {2}up/.test(shown()[0] ?? ''), 'it shows the new one')
  sealway.signal()
  expect((await running.ended).code).toBe(0)
})

it('ends where the mediator came back and takes its token no longer, with the screen as it was', async () => {
  const { running, output } = await top({ rows: 24, columns: 120 })
  await mediator.mediator.drain()
  await restart('another password of the operators')
  const { code, err } = await running.ended
  expect(code).toBe(1)
  expect(err).toMatch(/^sealway: UNAUTHORIZED: the mediator takes this token no longer/m)
  expect(output.out.endsWith(end)).toBe(true)
  expect(sealway.listeners.size).toBe(0)
})

it('tail, too, waits for a mediator that restarts, and says so', async () => {
  const running = sealway.start(environment, ['tail', '--from', 'late-1', '--limit', '1'])
  await eventually(() => sealway.listeners.size > 0, 'it listens')
  await mediator.mediator.drain()
  await restart()
  const late = await connect(mediator.url, {
    ...{ name: 'late-1', groups: ['orders'], keys },
    token: () => tokenFor(fixed.jwtSecret, 'late-1').token,
  })
  nodes.push(late)
  const sending = setInterval(() => void late.send('late-1', 'note').catch(() => {}), 100)
  const { code, out, err } = await running.ended
  clearInterval(sending)
  expect([code, out]).toEqual([0, expect.stringMatching(/ late-1 -> late-1 /)])
  expect(err).toBe('the mediator is away; waiting for it\nthe mediator is back\n')
})
