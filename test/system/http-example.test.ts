import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, freePort, type Program, repositoryRoot, startProgram } from '../support/program'

let folder: string
const programs: Program[] = []

const start = (path: string, env: { [name: string]: string }, ...args: string[]): Program => {
  const program = startProgram([join(repositoryRoot, path), ...args], { cwd: folder, env })
  programs.push(program)
  return program
}

beforeAll(build)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-http-'))
})

afterEach(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await Promise.all(programs.splice(0).map(({ ended }) => ended))
  rmSync(folder, { recursive: true, force: true })
})

describe('the example of an app by name', () => {
  it('answers over HTTP, streams, keeps to itself what is not public, and ends in order', async () => {
    const env = { PORT: String(await freePort()), ADMIN_PORT: String(await freePort()) }
    await start('server/dist/main.js', env, 'start').saw(/is running/)
    const app = start('examples/dist/http.js', { ...env, SEALWAY_URL: `http://127.0.0.1:${env.PORT}` })
    await app.saw(/web-1 serves HTTP/)
    const url = `http://127.0.0.1:${env.PORT}/one/web/web-1`
    const hello = await fetch(`${url}/hello/you`)
    expect(await hello.json()).toEqual({ hello: 'you', from: 'somebody at 127.0.0.1' })
    await app.saw(/somebody at 127\.0\.0\.1 says hello/)
    const stop = new AbortController()
    const ticks = await fetch(`${url}/ticks`, { signal: stop.signal })
    const reader = ticks.body!.pipeThrough(new TextDecoderStream()).getReader()
    for (let text = ''; !text.includes('data: 2'); text += (await reader.read()).value);
    stop.abort()
    expect((await fetch(`${url}/secret`)).status).toBe(401)
    app.signal('SIGTERM')
    expect(await app.ended).toMatchObject({ code: 0 })
  })
})
