import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

interface Service {
  readonly build?: { readonly target: string }
  readonly command?: string | readonly string[]
  readonly environment?: { readonly [name: string]: string }
  readonly env_file?: unknown
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: object
  readonly depends_on?: { readonly [name: string]: { readonly condition: string } }
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly image: string
}

const root = join(__dirname, '..')
const read = (name: string) => readFileSync(join(root, name), 'utf8')
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: { readonly [name: string]: Service }
  readonly volumes: { readonly [name: string]: unknown }
}
const services = Object.entries(compose.services)
const mediator = compose.services.mediator!

it('the images use a release of Node that is supported: 24, until April 2028', () => {
  const bases = [...read('Dockerfile').matchAll(/^FROM (node:\S+)/gm)].map(([, image]) => image)
  expect(bases).toEqual(['node:24-slim'])
})

describe('docker-compose.yml', () => {
  it('runs MySQL 8.4, the mediator and two example nodes', () => {
    expect(compose.services.mysql!.image).toBe('mysql:8.4')
    expect(mediator.build!.target).toBe('mediator')
    expect(services.filter(([, { build }]) => build?.target === 'node').map(([name]) => name)).toEqual([
      'client',
      'sender',
    ])
  })

  it('publishes ports on loopback only', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? [])
    expect(ports.length).toBeGreaterThanOrEqual(2)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+|\$\{\w+:-\d+\}):\d+$/)
  })

  it('checks the health of what has a port, and the mediator waits for its database', () => {
    for (const [name, service] of services)
      if (service.ports) expect([name, service.healthcheck]).toEqual([name, expect.any(Object)])
    expect(mediator.depends_on!.mysql!.condition).toBe('service_healthy')
    expect(JSON.stringify(mediator.healthcheck)).toContain('/healthz')
  })

  it('gives the mediator no payload key: not by name, by value, by file or by volume', () => {
    const text = JSON.stringify(mediator)
    expect(text).not.toMatch(/PROTECTED_AES256|mk1_|\.env\.node|node-secrets/)
    expect(mediator.env_file).toBeUndefined()
    const mediatorVolumes = new Set(mediator.volumes!.map((volume) => volume.split(':')[0]))
    const sharers = services.filter(([, { volumes = [] }]) =>
      volumes.some((volume) => mediatorVolumes.has(volume.split(':')[0])),
    )
    expect(sharers.map(([name]) => name)).toEqual(['setup', 'mediator'])
  })

  it('lets the nodes read their own secrets only, and change nothing', () => {
    for (const name of ['client', 'sender']) {
      expect(compose.services[name]!.volumes).toEqual(['node-secrets:/secrets/node:ro'])
    }
  })

  it('holds no secret in any file, and bounds memory and processes of each service', () => {
    expect(read('docker-compose.yml')).not.toMatch(/mk1_|PROTECTED_/)
    for (const [name, service] of services) {
      expect([name, service.mem_limit, service.pids_limit]).toEqual([
        name,
        expect.stringMatching(/^\d+[mg]$/),
        expect.any(Number),
      ])
    }
  })

  it('declares every volume that it uses', () => {
    const used = new Set(services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0])))
    expect([...used].sort()).toEqual(Object.keys(compose.volumes).sort())
  })

  const checker = findCompose()
  if (checker) {
    it(`is accepted by ${checker.join(' ')} config`, () => {
      const { status, stderr } = spawnSync(checker[0]!, [...checker.slice(1), 'config', '--quiet'], {
        cwd: root,
        encoding: 'utf8',
      })
      expect(status === 0 ? 'accepted' : stderr).toBe('accepted')
    })
  } else {
    it('is parsed here as YAML only: neither docker compose nor docker-compose is on this machine', () => {
      console.info('docker compose config was not run: the program is not on this machine')
      expect(services.length).toBe(5)
    })
  }
})

describe('the Dockerfile', () => {
  const stages = new Map(
    read('Dockerfile')
      .split(/^(?=FROM )/m)
      .filter((stage) => stage.startsWith('FROM '))
      .map((stage) => [/ AS (\S+)/.exec(stage)![1]!, stage]),
  )

  it('ends with the mediator, so that a plain docker build makes it', () => {
    expect([...stages.keys()].at(-1)).toBe('mediator')
  })

  it('installs the server workspace alone into the mediator, and copies nothing of the client library', () => {
    const stage = stages.get('mediator')!
    expect(stage).toContain('npm ci --omit=dev --workspace server --include-workspace-root=false')
    for (const name of ['mediator', 'sources', 'server-build']) expect(stages.get(name)).not.toContain('client-lib')
  })

  it('puts the built dashboard into the mediator, and nothing else of what built it', () => {
    const copied = [...stages.get('mediator')!.matchAll(/^COPY --from=(\S+) (\S+) (\S+)$/gm)].map(
      ([, ...parts]) => parts,
    )
    expect(copied.filter(([stage]) => stage !== 'server-build')).toEqual([
      ['dashboard-build', '/app/server/dist/dashboard', 'server/dist/dashboard'],
    ])
  })

  it('runs as another user than root, and says whether it is well', () => {
    expect(stages.get('mediator')).toMatch(/^USER node$/m)
    expect(stages.get('node')).toMatch(/^USER node$/m)
    expect(stages.get('mediator')).toMatch(/^HEALTHCHECK [^\n]*\\\n[^\n]*\/healthz/m)
  })

  it('never copies a secret or a database: they are out of its context', () => {
    const ignored = read('.dockerignore').split('\n')
    for (const name of ['.env', '.env.node', '*.sqlite', '.git']) expect(ignored).toContain(name)
  })
})

/** The plugin or the program, where there is one; neither needs an engine for `config`. */
function findCompose(): string[] | undefined {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    if (spawnSync(command[0]!, [...command.slice(1), 'version'], { encoding: 'utf8' }).status === 0) return command
  }
  return undefined
}
