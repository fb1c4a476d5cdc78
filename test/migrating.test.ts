import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allSettings } from '../server/src/settings/table'
import { codeWords } from './support/markdown'
import { startMediator } from './support/mediator'

const read = (path: string) => readFileSync(join(__dirname, '..', path), 'utf8')
const words = codeWords(read('docs/migrating.md'))

describe('docs/migrating.md', () => {
  it('names only routes that exist', async () => {
    const { mediator, url } = await startMediator()
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: { [path: string]: { [method: string]: object } }
    }
    await mediator.close()
    const named = words.filter((word) => /^((GET|POST|PATCH|DELETE) )?\/(v1|healthz|readyz)/.test(word))
    expect(named.length).toBeGreaterThan(8)
    for (const route of named) {
      const [path, method = 'POST'] = route.split(' ').reverse()
      expect([route, Object.keys(paths[path!] ?? {})]).toEqual([route, expect.arrayContaining([method.toLowerCase()])])
    }
  })

  it('names only settings of the mediator, and of a node', () => {
    const settings: readonly string[] = allSettings.map(({ name }) => name)
    const ofNodes = ['PROTECTED_AES256', 'SEALWAY_URL']
    const named = words.filter((word) => /^[A-Z]+(_[A-Z0-9]+)+$/.test(word))
    expect(named).toEqual(expect.arrayContaining(['PROTECTED_BASIC_AND_JWT', 'DATABASE_URL']))
    expect(named.filter((word) => !settings.includes(word) && !ofNodes.includes(word))).toEqual([])
  })
})
