import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { connect, type Node } from '@sealway/client'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { freePort, repositoryRoot } from '../support/program'
import { eventually } from '../support/until'

/** docs/deploy/nginx.conf in front of a mediator, with other ports and without the certificate that nobody here has. */
let mediator: TestMediator
let front: string
let stop: () => Promise<void>
const nodes: Node[] = []
const key = 'mk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

beforeAll(async () => {
  mediator = await startMediator({ config: { trustProxy: 'loopback' } })
  const program = process.env.TEST_NGINX
  if (!program) throw new Error('TEST_NGINX is not set: run `make test` (or `node test/run.mjs <path>`)')
  const folder = mkdtempSync(join(tmpdir(), 'sealway-front-'))
  const port = await freePort()
  const recipe = readFileSync(join(repositoryRoot, 'docs/deploy/nginx.conf'), 'utf8')
  const adapted = recipe
    .replace('server 127.0.0.1:4567;', `server ${new URL(mediator.url).host};`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/^ +ssl_.*\n/gm, '')
  expect(adapted).not.toMatch(/ssl|4567/)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  ${adapted}
}`,
  )
  const child = spawn(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
    stdio: 'ignore',
  })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  stop = async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  front = `http://127.0.0.1:${port}`
  await eventually(
    () =>
      fetch(`${front}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'nginx answers',
  )
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()))
  await stop?.()
  await mediator?.mediator.close()
})

async function node(name: string, url: string): Promise<Node> {
  const made = await connect(url, { name, groups: ['g'], keys: key, token: tokenFor(mediator.jwtSecret, name).token })
  nodes.push(made)
  return made
}

describe('docs/deploy/nginx.conf', () => {
  it.each(['http', 'ws', 'sealway+http'])('passes links on: %s://', async (scheme) => {
    const form = scheme.replace('+', '-')
    const url = front.replace('http', scheme)
    const [asked, asks] = await Promise.all([node(`asked-${form}`, url), node(`asks-${form}`, url)])
    asked.on('double', ({ body }) => (body as number) * 2)
    expect(await asks.call(asked.name, 'double', 21)).toBe(42)
    expect(asks.transport).toBe({ http: 'tcp', ws: 'ws', 'sealway+http': 'http' }[scheme])
  })

  it('streams bodies both ways, and tells nodes who asks', async () => {
    const web = await node('web-1', front)
    const exposure = web.expose(
      (request, response) => {
        if (request.method === 'GET') {
          response.end(`${request.headers['x-forwarded-proto']} ${request.headers['x-forwarded-host']}`)
        } else request.pipe(response)
      },
      { public: ['/*'] },
    )
    await exposure.ready
    expect(await (await fetch(`${front}/one/g/web-1/`)).text()).toBe(`http ${new URL(front).host}`)
    const body = Buffer.alloc(3 * 1024 * 1024, 'through nginx ')
    const answer = await fetch(`${front}/one/g/web-1/`, { method: 'POST', body })
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true)
  })

  it('lets the probes through that the recipes name', async () => {
    for (const path of ['/healthz', '/readyz']) expect([path, (await fetch(front + path)).status]).toEqual([path, 200])
  })
})
