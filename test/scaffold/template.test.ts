import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { versions } from '../../scaffold/src/files'
import { renderTemplate, toJavaScript, toTypeScript } from '../../scaffold/src/template'

const root = join(__dirname, '../..')
const json = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))

const annotated = `import { a } from './a.js'

/*::
import type { Node } from '@sealway/client'

export interface Parts {
  node: Node
}
*/

/** Says /* nothing: a comment that stays. */
export function run(node /*: Node */, { port } /*: { port: number } */) /*: void */ {
  const names = [] /*:: as string[] */
  let found /*: string | undefined */
}
`

describe('the template', () => {
  it('is JavaScript when its types are taken out', () => {
    expect(toJavaScript(annotated)).toBe(`import { a } from './a.js'

/** Says /* nothing: a comment that stays. */
export function run(node, { port }) {
  const names = []
  let found
}
`)
  })

  it('is TypeScript when they are let in', () => {
    expect(toTypeScript(annotated)).toBe(`import { a } from './a.js'

import type { Node } from '@sealway/client'

export interface Parts {
  node: Node
}

/** Says /* nothing: a comment that stays. */
export function run(node: Node, { port }: { port: number }): void {
  const names = [] as string[]
  let found: string | undefined
}
`)
  })

  it.each(['js', 'ts'] as const)(
    'names the node and its group in %s, and leaves nothing to fill in',
    async (language) => {
      const answers = {
        name: 'orders-7',
        group: 'shop',
        url: 'http://127.0.0.1:1',
        http: 'express',
        port: 3000,
      } as const
      const files = await renderTemplate(join(root, 'scaffold/template'), { ...answers, language })
      const main = files.get(`src/main.${language}`)!
      expect(main).toContain(`'orders-7'`)
      expect(main).toContain(`'shop'`)
      expect(main).toContain('express()')
      for (const [path, text] of files)
        expect([path, text]).not.toEqual([path, expect.stringMatching(/__[A-Z]+__|\/\*:/)])
    },
  )

  it('wants the versions of others that are tested here', () => {
    const here = { ...json('package.json').devDependencies, ...json('server/package.json').dependencies }
    const types = json('server/package.json').devDependencies
    expect(versions).toEqual(Object.fromEntries(Object.keys(versions).map((name) => [name, here[name] ?? types[name]])))
  })

  it('shows what comes over the wire as text: nothing of its page makes markup, or asks another site', () => {
    for (const file of ['index.html', 'page.js', 'page.css']) {
      const text = readFileSync(join(root, 'scaffold/template/page', file), 'utf8')
      expect([file, text]).not.toEqual([
        file,
        expect.stringMatching(/innerHTML|outerHTML|insertAdjacent|document\.write|https?:|eval\(/),
      ])
    }
  })
})
