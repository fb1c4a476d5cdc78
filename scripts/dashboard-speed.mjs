// Measures what the dashboard shows per second with 1,000 nodes and 10,000 frames a second on a real mediator:
// node scripts/dashboard-speed.mjs. Mediator and nodes are processes of their own, apart from the browser. Needs a build
// and Chromium. For people: no test depends on it.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const nodeCount = 1_000
const framesPerSecond = 10_000
const groups = 20
const measureMs = 10_000

if (process.argv[2] === 'mediator') await runMediator()
else if (process.argv[2] === 'nodes') await runNodes()
else await measure()

async function runMediator() {
  const { createMediator, parseConfig } = await import('../server/dist/mediator.js')
  const { silentLog } = await import('../server/dist/observe/log.js')
  const { createRegistry } = await import('../server/dist/registry/create-registry.js')
  const { openDatabase } = await import('../server/dist/store/database.js')
  const { migrate } = await import('../server/dist/store/migrate.js')
  const environment = {
    PORT: '0',
    ADMIN_PORT: '0',
    DATABASE_URL: 'sqlite::memory:',
    PROTECTED_BASIC_AND_JWT: process.env.SECRET,
    PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
  }
  const database = await openDatabase(environment.DATABASE_URL, silentLog)
  await migrate(database)
  const mediator = await createMediator(parseConfig(environment, undefined), {
    registry: createRegistry(database),
    dashboard: fileURLToPath(new URL('../server/dist/dashboard', import.meta.url)),
  })
  const { url, adminUrl } = await mediator.listen()
  process.send({ url, adminUrl, codes: [mediator.loginCode(), mediator.loginCode()] })
}

async function runNodes() {
  const { connect } = await import('../client-lib/dist/esm/index.js')
  const keys = `mk1_${randomBytes(32).toString('base64url')}`
  const nodes = []
  for (let at = 0; at < nodeCount; at += 50) {
    const joining = Array.from({ length: 50 }, async (_, n) => {
      const node = await connect(process.env.URL, { name: `n-${at + n}`, groups: [`g-${(at + n) % groups}`], keys })
      node.on('tick', () => {})
      return node
    })
    nodes.push(...(await Promise.all(joining)))
  }
  process.send('joined')
  // Ten frames a second from each node, to its neighbour in the group, spread over the second.
  const perTurn = framesPerSecond / 100
  let next = 0
  setInterval(() => {
    for (let n = 0; n < perTurn; n++) {
      const at = next++ % nodeCount
      void nodes[at].send(`n-${(at + groups) % nodeCount}`, 'tick', { n: 1 }).catch(() => {})
    }
  }, 10)
}

async function measure() {
  const { chromium } = await import('playwright-core')
  const program = [
    process.env.TEST_CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ]
  const SECRET = randomBytes(32).toString('base64url')
  const children = []
  const start = (what, env) => {
    const child = fork(fileURLToPath(import.meta.url), [what], { env: { ...process.env, ...env } })
    children.push(child)
    return new Promise((resolve) => child.once('message', resolve))
  }
  const browser = await chromium.launch({
    executablePath: program.find((path) => path && existsSync(path)),
    args: ['--no-sandbox', '--disable-gpu'],
  })
  try {
    const { url, adminUrl, codes } = await start('mediator', { SECRET })
    await start('nodes', { URL: url, PROTECTED_BASIC_AND_JWT: SECRET })
    const page = await browser.newPage({ viewport: { width: 1_280, height: 800 } })
    await page.goto(`${adminUrl}/login#${codes[0]}`)
    await page.getByText('1,000 nodes in').waitFor()
    await sleep(3_000)
    const rate = () => page.locator('.pulse').innerText()
    console.log(`map, nobody touches it:   ${await shownPerSecond(page)}   (${(await rate()).replaceAll('\n', ' ')})`)
    const moving = moveOn(page)
    console.log(`map, dragged and zoomed:  ${await shownPerSecond(page)}`)
    await moving.stop()
    for (const path of ['/nodes', '/traffic']) {
      await page.goto(adminUrl + path)
      await sleep(3_000)
      console.log(`${path.padEnd(25)} ${await shownPerSecond(page)}   (${(await rate()).replaceAll('\n', ' ')})`)
    }
  } finally {
    await browser.close()
    for (const child of children) child.kill('SIGKILL')
  }
}

/** Pictures in a second as the page itself sees them, and the longest wait for one, ms. */
async function shownPerSecond(page) {
  const { shown, longest, ms } = await page.evaluate(
    (forMs) =>
      new Promise((resolve) => {
        const begin = performance.now()
        let before = begin
        let shown = 0
        let longest = 0
        const next = (now) => {
          shown++
          longest = Math.max(longest, now - before)
          before = now
          if (now - begin < forMs) requestAnimationFrame(next)
          else resolve({ shown, longest, ms: now - begin })
        }
        requestAnimationFrame(next)
      }),
    measureMs,
  )
  return `${((shown * 1_000) / ms).toFixed(1)} a second, longest wait ${longest.toFixed(0)} ms`
}

/** Drags and zooms without end, as fast as the browser takes it. */
function moveOn(page) {
  let isOver = false
  const moving = (async () => {
    await page.mouse.move(500, 450)
    for (let at = 0; !isOver; at++) {
      if (at % 40 === 0) await page.mouse.down()
      await page.mouse.move(500 + Math.sin(at / 6) * 120, 450 + Math.cos(at / 9) * 90)
      if (at % 40 === 39) {
        await page.mouse.up()
        await page.mouse.wheel(0, at % 80 === 79 ? 200 : -200)
      }
    }
  })()
  return {
    stop() {
      isOver = true
      return moving
    },
  }
}
