import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { openBrowser } from '../support/chromium'
import { build, freePort, type Program, repositoryRoot, startProgram } from '../support/program'
import { openServicePage } from '../support/service-page'

const names = ['passive', 'active', 'standalone'] as const
let folder: string
let env: { [name: string]: string }
const programs: Program[] = []

beforeAll(build)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-formation-'))
  env = { PORT: String(await freePort()), ADMIN_PORT: String(await freePort()) }
  for (const name of names) env[`FORMATION_${name.toUpperCase()}_PORT`] = String(await freePort())
})

afterEach(async () => {
  // Asked to end, it ends what it started; killed, it could not.
  for (const program of programs) program.signal('SIGTERM')
  await Promise.all(programs.splice(0).map(({ ended }) => ended))
  rmSync(folder, { recursive: true, force: true })
})

/** What `make formation` runs, in an empty folder. */
function start(): Program {
  const program = startProgram([join(repositoryRoot, 'formation/run.mjs')], { cwd: folder, env })
  programs.push(program)
  return program
}

const connected = (formation: Program) =>
  Promise.all(names.map((name) => formation.saw(new RegExp(`^${name} *\\| .*${name}-1 is connected`, 'm'))))
const gone = (url: string) =>
  fetch(url).then(
    () => 'there',
    () => 'gone',
  )
const pageAt = (name: (typeof names)[number]): string =>
  `http://127.0.0.1:${env[`FORMATION_${name.toUpperCase()}_PORT`]}`

describe('make formation', () => {
  it('starts all four together; each service is visited, and does what it is for', async () => {
    const formation = start()
    await connected(formation)
    await formation.saw(/^mediator *\| .*mediator +http:/m)
    const browser: Browser = await openBrowser()
    try {
      const [passive, active, standalone] = await Promise.all(
        names.map((name) => openServicePage(browser, pageAt(name))),
      )
      await active!.peers('passive-1', 'standalone-1')
      await active!.say({ verb: 'broadcast', to: 'demo', action: 'note', body: '"to all"' })
      await active!.logged('done by passive-1, standalone-1')
      await passive!.logged('"to all"')
      await standalone!.logged('"to all"')
      await standalone!.say({ verb: 'call', to: 'passive-1', body: '{ "name": "you" }' })
      await standalone!.logged('answer: {"hello":"you","from":"passive-1"}')
      await passive!.logged('answered {"hello":"you","from":"passive-1"}')
      // It answers, and sends nothing.
      expect(await passive!.page.getByRole('button').count()).toBe(0)
      expect((await fetch(`${pageAt('passive')}/perform`, { method: 'POST' })).status).toBe(404)
      for (const { complaints } of [passive!, active!, standalone!]) expect(complaints).toEqual([])
    } finally {
      await browser.close()
    }
  })

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends them together on %s, each in order, and exits with 0',
    async (signal) => {
      const formation = start()
      await connected(formation)
      formation.signal(signal)
      const { code, output } = await formation.ended
      expect({ code, output }).toEqual({ code: 0, output })
      for (const name of names) expect(output).toMatch(new RegExp(`^${name} *\\| .*${name}-1 is closed$`, 'm'))
      // The services say good-bye to a mediator that is still there.
      expect(output.lastIndexOf('is closed')).toBeLessThan(output.indexOf('draining: nodes finish'))
      for (const url of [...names.map(pageAt), `http://127.0.0.1:${env.PORT}`])
        expect([url, await gone(url)]).toEqual([url, 'gone'])
    },
  )

  it('takes its ports from .env, without a warning of the mediator', async () => {
    const { FORMATION_PASSIVE_PORT: port, ...others } = env
    await startProgram([join(repositoryRoot, 'server/dist/main.js'), 'setup'], { cwd: folder, env: others }).ended
    appendFileSync(join(folder, '.env'), `\nFORMATION_PASSIVE_PORT=${port}\n`)
    env = others
    const formation = start()
    await connected(formation)
    env = { ...env, FORMATION_PASSIVE_PORT: port! }
    expect((await fetch(pageAt('passive'))).status).toBe(200)
    expect(formation.output()).not.toContain('is not a setting')
  })

  describe('where a port is taken', () => {
    let taken: Server
    let port: string
    beforeEach(async () => {
      taken = createServer()
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
      port = String((taken.address() as AddressInfo).port)
    })
    afterEach(() => taken.close())

    it.each([
      [
        'FORMATION_ACTIVE_PORT',
        (port: string) =>
          `active     \\| .*port ${port} is taken by another program: set FORMATION_ACTIVE_PORT in .env`,
      ],
      ['PORT', () => 'mediator   \\| sealway: PORT_IN_USE: '],
    ])('says so of %s, stops the others, and exits with 1', async (setting, message) => {
      env = { ...env, [setting]: port }
      const { code, output } = await start().ended
      expect({ code, output }).toEqual({
        code: 1,
        output: expect.stringMatching(new RegExp(`^${message(port)}`, 'm')),
      })
      expect(output).toMatch(/ended with 1; the others are stopped/)
      expect(await gone(pageAt('passive'))).toBe('gone')
    })
  })
})
