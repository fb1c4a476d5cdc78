import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allSettings } from '../server/src/settings/table'
import { codeWords, tableRows } from './support/markdown'
import { startMediator } from './support/mediator'

const page = readFileSync(join(__dirname, '..', 'docs/migrating.md'), 'utf8')

/** Rows of the tables of one section: the old name, and what to write instead. */
function rowsOf(section: string): [old: string, instead: string][] {
  const text = page.split(/^## /m).find((part) => part.startsWith(section))
  if (text === undefined) throw new Error(`docs/migrating.md has no section ${section}`)
  return tableRows(text).map(([old, instead]) => [old!, instead!])
}

/** What a user of @stopsopa/mediator 0.0.78 has in code, scripts and settings, by the section that must name it. */
const oldNames: { readonly [section: string]: readonly string[] } = {
  'Routes of the mediator': [
    ...['POST /register', '/remove/:id?', '/one/:cluster/:node?/:path*', '/many/:cluster/:path*'],
    ...['/admin/clusters/:cluster?', '/admin/cluster/:id?', '/token', '/ping', '/keep-awake', '/signout', '/'],
    ...['x-jwt', 'x-mediator', 'fromCluster', 'fromNode', 'payload', 'errors', '409', '400', '403'],
  ],
  'The client library': [
    ...['registerItself', 'password', 'mediator.domain', 'mediator.port', 'registrationInterval', 'plusMinus'],
    ...['jwt_expire', 'thisserver.cluster', 'thisserver.node', 'thisserver.domain', 'thisserver.port'],
    ...['mrequest.create', 'mrequest(name)', 'mrequest(name)(path, data)', 'mrequest(name)(node, path, data)'],
    ...['mrequest(name)(cluster, node, path, data)', 'mrequest.delete', 'thisCluster', 'thisNode', 'targetCluster'],
    ...['targetNode', 'aesPass', 'jwtPass', 'expire', 'mrequest-abstract.register', 'mrequest-abstract', 'encoder'],
    ...['decoder', 'authenticator', 'mresponse', 'app', 'header', 'body.payload', 'res.aes'],
  ],
  Settings: [
    ...['PORT', 'NODE_PORT', 'PROTECTED_MYSQL_HOST', 'PROTECTED_MYSQL_PORT', 'PROTECTED_MYSQL_USER'],
    ...['PROTECTED_MYSQL_PASS', 'PROTECTED_MYSQL_DB', 'CLEARDB_DATABASE_URL', 'PROTECTED_BASIC_AND_JWT'],
    ...['PROTECTED_AES256', 'KEEP_AWAKE', 'NODE_BIND_HOST', 'NODE_BIND_PORT', 'THIS_PUBLIC_DOMAIN'],
    ...['THIS_PUBLIC_PORT', 'THIS_CLUSTER', 'THIS_NODE', 'TARGET_CLUSTER', 'TARGET_NODE'],
    ...['MEDIATOR_SERVICE_DOMAIN', 'MEDIATOR_SERVICE_PORT', 'PROTECTED_JWT_EXPIRE'],
  ],
  'Make targets and commands': [
    ...['doc', 'docs', 'fixtures', 'start', 'client', 'sender', 'u'].map((target) => `make ${target}`),
    'npx @stopsopa/mediator [folder]',
  ],
}

describe.each(Object.entries(oldNames))('docs/migrating.md, %s', (section, names) => {
  const rows = rowsOf(section)

  it.each(names)('gives the old name %s one row, with what to write instead', (name) => {
    const found = rows.filter(([old]) => codeWords(old).includes(name))
    expect(found).toEqual([[expect.any(String), expect.stringMatching(/[a-z]{3}/i)]])
  })

  it('lists no old name that @stopsopa/mediator does not have', () => {
    expect(rows.flatMap(([old]) => codeWords(old)).filter((name) => !names.includes(name))).toEqual([])
  })
})

describe('what docs/migrating.md says to write instead', () => {
  const old = Object.keys(oldNames).flatMap((section) => rowsOf(section).flatMap(([name]) => codeWords(name)))
  const written = codeWords(page).filter((word) => !old.includes(word))

  it('names only routes that exist', async () => {
    const { mediator, url } = await startMediator()
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: { [path: string]: { [method: string]: object } }
    }
    await mediator.close()
    const named = written.filter((word) => /^((GET|POST|PATCH|DELETE) )?\/(v1|healthz|readyz)/.test(word))
    expect(named.length).toBeGreaterThan(8)
    for (const route of named) {
      const [path, method = 'POST'] = route.split(' ').reverse()
      expect([route, Object.keys(paths[path!] ?? {})]).toEqual([route, expect.arrayContaining([method.toLowerCase()])])
    }
  })

  it('names only settings of the mediator, of a node, and of a service that was created', () => {
    const known: readonly string[] = [
      ...allSettings.map(({ name }) => name),
      ...['PROTECTED_AES256', 'SEALWAY_URL', 'PAGE_HOST', 'PAGE_PORT'],
    ]
    const named = written.filter((word) => /^[A-Z0-9]+(_[A-Z0-9]+)+$/.test(word))
    expect(named).toEqual(expect.arrayContaining(['DATABASE_URL', 'SEALWAY_URL', 'PROTECTED_ADMIN_PASSWORD']))
    expect(named.filter((word) => !known.includes(word))).toEqual([])
  })
})
