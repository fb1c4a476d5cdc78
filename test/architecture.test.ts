import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Manifest, type Repository, reachedFrom, rules } from './support/architecture'
import { parseSource, readTree, treeOf } from './support/sources'

const root = join(__dirname, '..')
const packages = ['protocol', 'server', 'client-lib', 'scaffold']
const manifests = new Map(
  packages.map((folder) => [folder, JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest]),
)
const repository: Repository = {
  tree: readTree(root, ['protocol/src', 'server/src', 'client-lib/src', 'scaffold/src', 'migrations']),
  manifests,
}

describe('the architecture', () => {
  it.each(rules)('$rule', ({ violations, because }) => {
    const found = violations(repository).map((violation) => `${violation}. Why not: ${because}.`)
    expect(found).toEqual([])
  })

  it.each(rules)('would notice if it did not hold that $rule', ({ violations, broken }) => {
    expect(violations({ tree: treeOf(broken), manifests })).not.toEqual([])
  })

  it('is judged on all sources, not on an empty folder', () => {
    for (const folder of packages) {
      expect([...repository.tree.keys()].filter((path) => path.startsWith(`${folder}/src/`))).not.toEqual([])
    }
  })

  it('has nothing in the dependencies of the server, at any depth, that opens payloads', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: { [path: string]: { dependencies?: object; optionalDependencies?: object; peerDependencies?: object } }
    }
    const folderOf = new Map([...manifests].map(([folder, { name }]) => [name, folder]))
    const reached = new Set<string>()
    const queue = ['sealway']
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      if (reached.has(name)) continue
      reached.add(name)
      for (const path of Object.keys(lock.packages)) {
        if (path !== folderOf.get(name) && !path.endsWith(`node_modules/${name}`)) continue
        const entry = lock.packages[path]!
        queue.push(...Object.keys({ ...entry.dependencies, ...entry.optionalDependencies, ...entry.peerDependencies }))
      }
    }
    expect(reached).toContain('@sealway/protocol')
    expect(reached).toContain('express')
    expect([...reached].filter((name) => name === '@sealway/client')).toEqual([])
  })
})

describe('the reader of sources', () => {
  const read = (code: string) => parseSource('x.ts', code)

  it('sees every way to reach a module', () => {
    const { imports } = read(`
      import a, { b as c } from './1.js'
      import type { D } from './2.js'
      export * from './3.js'
      export { e } from './4.js'
      const f = await import('./5.js')
      const g = require('./6.js')
      type H = import('./7.js').H
      import i = require('./8.js')
      const j = await import(name)
      // import './not.js'
      const k = "import './not.js'"
    `)
    expect(imports.map(({ specifier }) => specifier)).toEqual(
      [...'12345678'].map((n) => `./${n}.js`).concat([undefined!]),
    )
    expect(imports[0]!.names).toEqual(['default', 'b'])
  })

  it('tells the global process from a name that only looks like it', () => {
    expect(read('process.exit()').globals.has('process')).toBe(true)
    expect(read('const e = { ...process.env }').globals.has('process')).toBe(true)
    expect(read('const f = (process: string) => process').globals.has('process')).toBe(false)
    expect(read('class A { process() { this.process() } }').globals.has('process')).toBe(false)
  })

  it('accepts createDecipheriv only as a call whose options pin the length of the tag', () => {
    const head = `import { createDecipheriv } from 'node:crypto'\n`
    const pinned = (code: string) => read(head + code).decipherPinned
    expect(pinned(`createDecipheriv('aes-256-gcm', k, n, { authTagLength: 16 })`)).toEqual([true])
    expect(pinned(`const gcm = { authTagLength: 16 } as const\ncreateDecipheriv('a', k, n, gcm)`)).toEqual([true])
    expect(pinned(`let gcm = { authTagLength: 16 }\ncreateDecipheriv('a', k, n, gcm)`)).toEqual([false])
    expect(pinned(`createDecipheriv('aes-256-gcm', k, n)`)).toEqual([false])
    expect(pinned(`createDecipheriv('aes-256-gcm', k, n, {})`)).toEqual([false])
    expect(pinned(`createDecipheriv('aes-256-gcm', k, n, options)`)).toEqual([false])
    expect(pinned('const open = createDecipheriv')).toEqual([false])
    expect(read(`crypto.createDecipheriv('aes-256-gcm', k, n)`).decipherPinned).toEqual([false])
  })

  it('finds a cast however it is written', () => {
    expect(read('x as Sealed').casts).toContain('Sealed')
    expect(read('x as unknown as Sealed').casts).toContain('Sealed')
    expect(read('<Sealed>x').casts).toContain('Sealed')
    expect(read('xs as readonly Sealed[]').casts).toContain('Sealed')
    expect(read('const f = (x: unknown): x is Sealed => true').casts).toContain('Sealed')
    expect(read('const f = (x: Sealed): Sealed => x').casts).not.toContain('Sealed')
  })

  it('knows which imports are gone when the program runs', () => {
    const erased = (code: string) => read(code).imports.map((one) => one.erased === true)
    expect(erased(`import type { A } from './a.js'`)).toEqual([true])
    expect(erased(`import { type A } from './a.js'`)).toEqual([false]) // verbatimModuleSyntax keeps the import
    expect(erased(`import { a } from './a.js'`)).toEqual([false])
  })

  it('follows imports through a package of ours', () => {
    const tree = treeOf({
      'server/src/a.ts': `import { b } from '@sealway/protocol'`,
      'protocol/src/index.ts': `export * from './b.js'`,
      'protocol/src/b.ts': '',
    })
    expect([...reachedFrom({ tree, manifests }, ['server/src/a.ts'])]).toContain('protocol/src/b.ts')
  })
})
