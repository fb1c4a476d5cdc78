import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { limits } from '@sealway/protocol'
import { parseAllDocuments } from 'yaml'
import { allSettings } from '../server/src/settings/table'
import { relativeLinks } from './support/markdown'

const folder = join(__dirname, '..', 'docs', 'deploy')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')
const settings = new Set<string>(allSettings.map(({ name }) => name))
/** What a mediator is given that is no setting of its own. */
const foreign = new Set(['NODE_ENV'])
const unknown = (names: Iterable<string>) => [...names].filter((name) => !settings.has(name) && !foreign.has(name))
const limitDrainSeconds = 25

describe('the recipes', () => {
  it('are all in the index, and the index names none that is not there', () => {
    const files = readdirSync(folder).filter((file) => file !== 'README.md')
    const named = relativeLinks(read('README.md')).filter((link) => !link.includes('/'))
    expect([...new Set(named)].sort()).toEqual(files.sort())
  })

  it.each(readdirSync(folder))('%s holds no key, and gives the mediator none', (file) => {
    expect(read(file)).not.toMatch(/mk1_|PROTECTED_AES256/)
  })
})

describe('sealway.service', () => {
  const sections = new Map<string, [string, string][]>()
  let section: [string, string][] = []
  for (const line of read('sealway.service').split('\n')) {
    const head = /^\[(\w+)\]$/.exec(line)
    if (head) {
      section = []
      sections.set(head[1]!, section)
    }
    const at = line.indexOf('=')
    if (!line.startsWith('#') && at > 0) section.push([line.slice(0, at), line.slice(at + 1)])
  }
  const values = (name: string) =>
    sections
      .get('Service')!
      .filter(([key]) => key === name)
      .map(([, value]) => value)

  it('sets only settings that exist', () => {
    const names = values('Environment').map((entry) => entry.split('=')[0]!)
    expect(names).toContain('PORT')
    expect(unknown(names)).toEqual([])
  })

  it('runs what the package installs, as a user of its own, where it may write', () => {
    const [program, ...args] = values('ExecStart')[0]!.split(' ')
    const bin = JSON.parse(readFileSync(join(__dirname, '../server/package.json'), 'utf8')).bin as object
    expect(Object.keys(bin)).toContain(program!.split('/').at(-1))
    expect(args).toEqual(['start'])
    expect(values('User')).toEqual(['sealway'])
    expect(values('WorkingDirectory')).toEqual([`/var/lib/${values('StateDirectory')[0]}`])
  })

  it('lets it drain', () => {
    expect(Number(values('TimeoutStopSec')[0])).toBeGreaterThan(limitDrainSeconds)
    expect(values('KillSignal')).toEqual(['SIGTERM'])
  })
})

describe('kubernetes.yaml', () => {
  interface Probe {
    readonly httpGet: { readonly path: string; readonly port: string }
  }
  interface Container {
    readonly env: readonly { readonly name: string }[]
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
    readonly livenessProbe: Probe
    readonly readinessProbe: Probe
    readonly startupProbe: Probe
    readonly volumeMounts: readonly { readonly name: string }[]
  }
  const documents = parseAllDocuments(read('kubernetes.yaml'))
  const kinds = new Map(documents.map((document) => [document.get('kind') as string, document.toJS()]))
  const spec = kinds.get('Deployment').spec
  const pod = spec.template.spec
  const container = pod.containers[0] as Container

  it('is YAML without an error, of a secret, a deployment and a service', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    expect([...kinds.keys()]).toEqual(['Secret', 'Deployment', 'Service'])
  })

  it('sets only settings that exist, and has no value for a secret', () => {
    const secret = kinds.get('Secret').stringData as { [name: string]: string }
    expect(unknown([...Object.keys(secret), ...container.env.map(({ name }) => name)])).toEqual([])
    expect(Object.keys(secret)).toEqual(expect.arrayContaining(['PROTECTED_BASIC_AND_JWT', 'DATABASE_URL']))
    expect(Object.values(secret).every((value) => value === '')).toBe(true)
  })

  it('asks the port that the mediator has: for life, and whether it is ready', () => {
    const [port] = container.ports
    expect(port).toEqual({ name: 'links', containerPort: 4567 })
    expect(container.livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'links' })
    expect(container.startupProbe.httpGet).toEqual({ path: '/healthz', port: 'links' })
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'links' })
    expect(kinds.get('Service').spec.ports[0].targetPort).toBe('links')
  })

  it('selects its own pods, mounts what it declares, and lets them drain', () => {
    const { labels } = spec.template.metadata
    expect(spec.selector.matchLabels).toEqual(labels)
    expect(kinds.get('Service').spec.selector).toEqual(labels)
    expect(container.volumeMounts.map(({ name }) => name)).toEqual(
      pod.volumes.map(({ name }: { name: string }) => name),
    )
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(limitDrainSeconds)
    expect(spec.replicas).toBe(1)
  })
})

describe('one port', () => {
  it('starts a file that the build makes', () => {
    const [, command] = /^web: HOST=0\.0\.0\.0 (node .*)$/m.exec(read('Procfile'))!
    const [, file, verb] = command!.split(' ')
    expect(verb).toBe('start')
    const source = file!.replace('/dist/', '/src/').replace(/\.js$/, '.ts')
    expect(existsSync(join(__dirname, '..', source))).toBe(true)
  })

  it('names only settings that exist, and not the port, which the platform sets', () => {
    const names = [...read('one-port.env').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name!)
    expect(unknown(names)).toEqual([])
    expect(names).toContain('DATABASE_URL')
    expect(names).not.toContain('PORT')
  })
})

it('how long a drain takes is what the recipes leave it', () => {
  expect(limits.drainMs).toBe(limitDrainSeconds * 1_000)
})
