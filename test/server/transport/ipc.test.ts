import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listenOnPath } from '../../../server/src/transport/ipc'

let folder: string
let path: string
const servers: ReturnType<typeof createServer>[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-ipc-'))
  path = join(folder, 's.sock')
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
  rmSync(folder, { recursive: true, force: true })
})

const listen = async (where = path) => {
  const server = createServer()
  servers.push(server)
  await listenOnPath(server, where)
  return server
}

const answers = () =>
  new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

/** A socket file whose process died without removing it. */
function leaveStale(): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  expect(statSync(path).isSocket()).toBe(true)
}

it('listens on a socket that only its owner may use', async () => {
  await listen()
  expect([statSync(path).mode & 0o777, await answers()]).toEqual([0o600, true])
})

it('replaces a socket that nobody answers on', async () => {
  leaveStale()
  expect(await answers()).toBe(false)
  await listen()
  expect(await answers()).toBe(true)
})

it('leaves a live socket alone: PORT_IN_USE', async () => {
  await listen()
  await expect(listen()).rejects.toMatchObject({ code: 'PORT_IN_USE', message: expect.stringContaining(path) })
  expect(await answers()).toBe(true)
})

it('never removes what is no socket: CONFIG_INVALID', async () => {
  writeFileSync(path, 'the only copy')
  await expect(listen()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(path) })
  expect(readFileSync(path, 'utf8')).toBe('the only copy')
})

it('never removes a link to something else', async () => {
  const target = join(folder, 'target')
  writeFileSync(target, 'x')
  symlinkSync(target, path)
  await expect(listen()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  expect(existsSync(target)).toBe(true)
})

it('says what is wrong with a path in a folder that is not there: CONFIG_INVALID', async () => {
  const where = join(folder, 'nowhere', 's.sock')
  await expect(listen(where)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(where) })
})

it('refuses a path that the kernel would cut: CONFIG_INVALID', async () => {
  await expect(listen(join(folder, 'x'.repeat(108)))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

it('leaves no file behind', async () => {
  const server = await listen()
  await new Promise((resolve) => server.close(resolve))
  expect(existsSync(path)).toBe(false)
})
