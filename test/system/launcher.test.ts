import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { build, repositoryRoot } from '../support/program'

beforeAll(build)

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'a mediator started by npx drains and ends when the process of npx gets %s',
  async (signal) => {
    const npx = spawn('npx', ['--no-install', 'sealway', 'start'], {
      cwd: repositoryRoot,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        PORT: '0',
        ADMIN_PORT: '0',
        DATABASE_URL: 'sqlite::memory:',
        PROTECTED_BASIC_AND_JWT: randomBytes(32).toString('base64url'),
        PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const running = new Promise<void>((resolve) => {
      for (const stream of [npx.stdout, npx.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text
          if (/is running/.test(output)) resolve()
        })
      }
    })
    // The pipes close when the last process that holds them has ended: the mediator.
    const allEnded = new Promise<void>((resolve) => npx.once('close', () => resolve()))
    await Promise.race([running, allEnded])
    npx.kill(signal)
    await allEnded
    expect(output).toMatch(/is running[\s\S]*draining/)
  },
)
