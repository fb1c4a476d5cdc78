import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(__dirname, '../../..')
const main = join(root, 'server/dist/main.js')
let folder: string

beforeAll(() => {
  const built = spawnSync('node', ['scripts/prepare.mjs', 'build'], { cwd: root, encoding: 'utf8' })
  // What a busy machine makes the build say of its own speed is no failure.
  expect({ status: built.status, said: built.stderr }).toEqual({ status: 0, said: built.stderr })
  folder = mkdtempSync(join(tmpdir(), 'sealway-main-'))
})
afterAll(() => {
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const environment = { PATH: process.env.PATH, PORT: '0', ADMIN_PORT: '0' }

/** The program as it is installed, until it has printed where it listens. */
async function start() {
  const child = spawn(process.execPath, [main, 'start', '--json'], { cwd: folder, env: environment })
  let out = ''
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out.trimEnd().endsWith('}')) resolve((JSON.parse(out) as { url: string }).url)
    })
    child.once('exit', () => reject(new Error('ended before it listened')))
  })
  return { child, ended, url }
}

describe('the sealway program', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('starts in an empty folder, and exits 0 on %s', async (signal) => {
    const { child, ended, url } = await start()
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    child.kill(signal)
    expect(await ended).toBe(0)
  })

  it('can be run as a file, and says its version', () => {
    const { status, stdout } = spawnSync(process.execPath, [main, '--version'], { cwd: folder, encoding: 'utf8' })
    expect([status, stdout]).toEqual([0, '0.1.0\n'])
  })

  it('exits with 1 for a failure and 2 for wrong usage', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [main, ...args], { cwd: folder, env: { PORT: 'x' } }).status
    expect([run('config', 'print'), run('strat')]).toEqual([1, 2])
  })

  it('is silent where the reader of its output went away', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"${process.execPath}" "${main}" config template | head -c 1 >/dev/null`],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    expect([status, stderr]).toEqual([0, ''])
  })
})
