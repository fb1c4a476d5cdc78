import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { freePort } from '../support/program'

/** nginx, started here, as the upstream of a direct connection. */
let started: TestMediator
let url: string
let stop: () => Promise<void>
const file = Buffer.alloc(3 * 1024 * 1024, 'nginx and back again ')

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

async function startNginx(): Promise<number> {
  const program = process.env.TEST_NGINX
  if (!program) {
    throw new Error('TEST_NGINX is not set: run `make test` (or `node test/run.mjs <path>`), which sets it')
  }
  const folder = mkdtempSync(join(tmpdir(), 'sealway-nginx-'))
  writeFileSync(join(folder, 'file.txt'), file)
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 128; }
http {
  access_log off; keepalive_timeout 5s;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port}; root ${folder}; client_max_body_size 1m;
    location = /echo { default_type text/plain; return 200 "$request_method $host $content_length $http_x_forwarded_proto"; }
    location = /moved { return 302 /file.txt; }
    location = /cut { return 444; }
  }
}`,
  )
  const child = spawn(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
    stdio: 'ignore',
  })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  let running = true
  void ended.then(() => {
    running = false
  })
  stop = async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  while (!(await answers(port))) {
    if (!running) throw new Error(`${program} did not start`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return port
}

beforeAll(async () => {
  const port = await startNginx()
  started = await startMediator({ config: { httpDirect: 'loopback' } })
  url = `${started.url}/one/g/app`
  await started.mediator.registry.upsertNode(
    {
      name: 'app' as never,
      groups: ['g'] as never,
      endpoints: [{ name: 'web', protocol: 'http', address: '127.0.0.1', port }],
    },
    'test',
  )
})
afterAll(async () => {
  await started?.mediator.close()
  await stop?.()
})

const ask = (path: string, init: RequestInit & { headers?: { [name: string]: string } } = {}) =>
  fetch(url + path, {
    redirect: 'manual',
    ...init,
    headers: {
      authorization: `Bearer ${tokenFor(started.jwtSecret, 'asker', { scopes: ['http:app'] }).token}`,
      ...init.headers,
    },
  })

describe('nginx, reached at its own address', () => {
  it('gives a file, a part of it, and nothing where it has not changed', async () => {
    const whole = await ask('/file.txt')
    expect([whole.status, whole.headers.get('server')]).toEqual([200, expect.stringContaining('nginx')])
    expect(Buffer.from(await whole.arrayBuffer()).equals(file)).toBe(true)
    const part = await ask('/file.txt', { headers: { range: 'bytes=100-199' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 100-199/${file.length}`])
    expect(await part.text()).toBe(file.subarray(100, 200).toString())
    const same = await ask('/file.txt', { headers: { 'if-none-match': whole.headers.get('etag')! } })
    expect([same.status, await same.text()]).toEqual([304, ''])
    const head = await ask('/file.txt', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(file.length)])
  })

  it('sees the request that was made, and by what', async () => {
    expect(await (await ask('/echo')).text()).toBe('GET 127.0.0.1  http')
    expect(await (await ask('/echo', { method: 'POST', body: 'x'.repeat(1_000) })).text()).toBe(
      'POST 127.0.0.1 1000 http',
    )
    expect(await (await ask('/echo', { method: 'DELETE' })).text()).toMatch(/^DELETE 127.0.0.1 0? http$/)
  })

  it('answers for itself: what is not there, what has moved, what is too large', async () => {
    expect((await ask('/not-there')).status).toBe(404)
    const moved = await ask('/moved')
    expect([moved.status, new URL(moved.headers.get('location')!, url).pathname]).toEqual([302, '/file.txt'])
    expect((await ask('/file.txt', { method: 'POST', body: 'x'.repeat(1_100_000) })).status).toBe(413)
  })

  it('may hang up without a word', async () => {
    const answer = await ask('/cut')
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([502, 'PEER_GONE'])
  })
})
