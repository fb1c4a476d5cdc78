import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { isRelative, packageOf, resolveRelative, type Source, type Tree } from './sources'

export interface Manifest {
  readonly name: string
  readonly dependencies?: { readonly [name: string]: string }
  readonly peerDependencies?: { readonly [name: string]: string }
}

export interface Repository {
  readonly tree: Tree
  /** package.json by folder: `server`, `client-lib`. */
  readonly manifests: ReadonlyMap<string, Manifest>
}

export interface Rule {
  readonly rule: string
  readonly because: string
  /** A small repository that breaks the rule, so that the rule is known to be able to fail. */
  readonly broken: { readonly [path: string]: string }
  /** One line per violation, beginning with the file. */
  violations(repository: Repository): string[]
}

/** Lowest first: the folders of each `src`, and the files that lie directly in it. */
export const layers = {
  server: [
    ...['observe', 'store', 'registry', 'auth', 'transport', 'session', 'routing', 'gateway', 'proxy', 'live'],
    ...['settings', 'config.ts', 'setup.ts', 'mediator.ts', 'cli', 'main.ts'],
  ],
  'client-lib': [
    ...['transport', 'session', 'crypto', 'messaging', 'http'],
    ...[
      'check-options.ts',
      'options.ts',
      'verb-checks.ts',
      'membership',
      'browser',
      'node.ts',
      'plugins',
      'otel',
      'actions.ts',
      'held-node.ts',
      'nestjs',
      'fastify',
      'testing',
      'index.ts',
      'cli',
      'cli.ts',
    ],
  ],
}

/** The files at which a process begins. Nothing imports them. */
const entries = new Set(['server/src/main.ts', 'client-lib/src/cli.ts'])

const ourPackages: { readonly [name: string]: string } = {
  '@sealway/protocol': 'protocol/src/index.ts',
  '@sealway/client': 'client-lib/src/index.ts',
  '@sealway/client/browser': 'client-lib/src/browser/index.ts',
  sealway: 'server/src/mediator.ts',
  '#migrations': 'migrations/index.ts',
  '#fixtures': 'fixtures/development.ts',
}

/** The file of ours that an import means; undefined for a dependency or a computed import. */
const targetOf = (from: string, specifier: string | undefined): string | undefined => {
  if (specifier === undefined) return undefined
  return isRelative(specifier) ? resolveRelative(from, specifier) : ourPackages[specifier]
}

const sources = ({ tree }: Repository, ...folders: string[]): Source[] =>
  [...tree.values()].filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)))

const importsOf = (repository: Repository, ...folders: string[]) =>
  sources(repository, ...folders).flatMap((source) => source.imports.map((one) => ({ ...one, path: source.path })))

/**
 * Every file of ours that these reach over any number of imports, themselves included.
 * @param over `run`: only what is left of the imports when the program runs; `atOnce`: of these, what is not loaded later
 */
export function reachedFrom(
  { tree }: Repository,
  start: readonly string[],
  over: 'all' | 'run' | 'atOnce' = 'all',
): Set<string> {
  const reached = new Set<string>()
  const queue = [...start]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    for (const { specifier, erased, form } of tree.get(path)?.imports ?? []) {
      const isLeft = over === 'all' || (!erased && form !== 'type' && (over === 'run' || form !== 'dynamic'))
      const target = isLeft ? targetOf(path, specifier) : undefined
      if (target) queue.push(target)
    }
  }
  return reached
}

const serverFiles = (repository: Repository): Source[] => {
  const start = sources(repository, 'server/src', 'migrations').map(({ path }) => path)
  return [...reachedFrom(repository, start)].flatMap((path) => repository.tree.get(path) ?? [])
}

const layerRule = (folder: keyof typeof layers): Rule => {
  const order: readonly string[] = layers[folder]
  const src = `${folder}/src/`
  const layerOf = (path: string): string => path.slice(src.length).split('/')[0]!
  return {
    rule: `in ${folder}, a file imports only its own layer and those before it: ${order.join(', ')}`,
    because: 'a layer that knows only what is below it can be read, tested and replaced alone',
    broken: { [`${src}${order[0]}/low.ts`]: `import { high } from '../${order[1]}/high.js'` },
    violations: (repository) =>
      importsOf(repository, `${folder}/src`).flatMap(({ path, specifier }) => {
        const own = layerOf(path)
        if (!order.includes(own)) return [`${path}: ${own} has no place in the list of layers`]
        const target = targetOf(path, specifier)
        if (!target?.startsWith(src)) return []
        return order.indexOf(layerOf(target)) > order.indexOf(own) ? [`${path} (${own}) imports ${target}`] : []
      }),
  }
}

export const rules: readonly Rule[] = [
  layerRule('server'),
  layerRule('client-lib'),
  {
    rule: 'protocol imports nothing from outside itself, not even node:*',
    because: 'it runs in any JavaScript engine, and whoever reads it has read all of it',
    broken: { 'protocol/src/frame.ts': `import { Buffer } from 'node:buffer'` },
    violations: (repository) =>
      importsOf(repository, 'protocol/src').flatMap(({ path, specifier }) =>
        targetOf(path, specifier)?.startsWith('protocol/src/') ? [] : [`${path} imports ${specifier ?? 'computed'}`],
      ),
  },
  {
    rule: 'migrations import nothing from server/src',
    because: 'a migration must do tomorrow what it did when it was written, whatever the code has become',
    broken: { 'migrations/0001.ts': `import { columns } from '../server/src/store/columns.js'` },
    violations: (repository) =>
      importsOf(repository, 'migrations').flatMap(({ path, specifier }) => {
        const target = targetOf(path, specifier)
        return target && !target.startsWith('migrations/') ? [`${path} imports ${target}`] : []
      }),
  },
  {
    rule: 'the browser edition and all that it runs import no module of Node, and its own files name nothing of Node',
    because: 'it is bundled for pages, where there is neither; a bundler would fail, or carry a substitute along',
    broken: {
      'client-lib/src/browser/open.ts': `import { random } from '../crypto/random.js'`,
      'client-lib/src/crypto/random.ts': `import { randomBytes } from 'node:crypto'`,
    },
    violations: (repository) => {
      const own = sources(repository, 'client-lib/src/browser')
      const run = [
        ...reachedFrom(
          repository,
          own.map(({ path }) => path),
          'run',
        ),
      ]
      return [
        ...run.flatMap((path) =>
          (repository.tree.get(path)?.imports ?? []).flatMap(({ specifier = 'computed', erased }) =>
            !erased && (specifier === 'computed' || isBuiltin(specifier)) ? [`${path} imports ${specifier}`] : [],
          ),
        ),
        ...own.flatMap(({ path, globals }) =>
          ['Buffer', 'process', 'require', 'global', 'setImmediate'].flatMap((name) =>
            globals.has(name) ? [`${path} names ${name}`] : [],
          ),
        ),
      ]
    },
  },
  {
    rule: 'before it knows the command, the command line loads no package but commander and dotenv',
    because:
      'the mediator, the database and socket.io take half a second to load, which a `sealway call` would wait for',
    broken: {
      'server/src/main.ts': `import { watch } from './cli/watch.js'`,
      'server/src/cli/watch.ts': `import { io } from 'socket.io-client'`,
    },
    violations: (repository) =>
      [...reachedFrom(repository, ['server/src/main.ts'], 'atOnce')].flatMap((path) =>
        (repository.tree.get(path)?.imports ?? []).flatMap(({ specifier = '', form, erased }) => {
          const isOther = !isRelative(specifier) && !isBuiltin(specifier) && !targetOf(path, specifier)
          return isOther && !erased && form === 'import' && !['commander', 'dotenv'].includes(specifier)
            ? [`${path} imports ${specifier}`]
            : []
        }),
      ),
  },
  {
    rule: 'no file imports itself, over any number of others (two types may name each other)',
    because: 'files in a cycle are one file that was cut in the wrong places, and load in an order nobody chose',
    broken: {
      'server/src/routing/a.ts': `import { b } from './b.js'`,
      'server/src/routing/b.ts': `import { a } from './a.js'`,
    },
    violations: ({ tree }) => cyclesOf(tree).map((cycle) => cycle.join(' -> ')),
  },
  {
    rule: 'the server and all that it reaches never import the client library',
    because: 'the code that opens payloads must not be in the mediator: blindness is an absence that can be checked',
    broken: {
      'server/src/routing/router.ts': `import { shared } from '../../../protocol/src/shared.js'`,
      'protocol/src/shared.ts': `export * from '@sealway/client'`,
    },
    violations: (repository) =>
      serverFiles(repository).flatMap(({ path, imports }) =>
        imports.flatMap(({ specifier = '' }) =>
          packageOf(specifier) === '@sealway/client' || targetOf(path, specifier)?.startsWith('client-lib/')
            ? [`${path} imports ${specifier}`]
            : [],
        ),
      ),
  },
  {
    rule: 'the server names the client library in one file, which looks up its program in order to start it',
    because:
      '`sealway send|call|broadcast` seal in a process of their own, with the key of who typed it (decisions/0003)',
    broken: { 'server/src/gateway/helper.ts': `const name = '@sealway/client'` },
    violations: (repository) =>
      serverFiles(repository).flatMap(({ path, texts }) =>
        [...texts].some((text) => text.includes('@sealway/client')) && path !== 'server/src/cli/seal.ts'
          ? [`${path} names @sealway/client`]
          : [],
      ),
  },
  {
    rule: 'the server and all that it reaches never name what decrypts',
    because: 'a mediator that cannot read holds no code that could',
    broken: { 'server/src/session/peek.ts': `import { createDecipheriv as look } from 'node:crypto'` },
    violations: (repository) => {
      const forbidden = ['createDecipheriv', 'Decipheriv', 'subtle', 'webcrypto', 'privateDecrypt', 'diffieHellman']
      return serverFiles(repository).flatMap(({ path, words, texts }) =>
        forbidden.filter((name) => words.has(name) || texts.has(name)).map((name) => `${path} names ${name}`),
      )
    },
  },
  {
    rule: 'the server takes node:crypto by named imports only',
    because: 'through the whole module any function can be reached by a name put together at run time',
    broken: { 'server/src/auth/hash.ts': `import * as crypto from 'node:crypto'` },
    violations: (repository) =>
      serverFiles(repository).flatMap(({ path, imports, computedReaches }) => [
        ...imports
          .filter(({ specifier, names }) => specifier === 'node:crypto' && /\*|default/.test(names.join()))
          .map(() => `${path} imports the whole of node:crypto`),
        ...(computedReaches.has('crypto') ? [`${path} reaches into crypto by a computed name`] : []),
      ]),
  },
  {
    rule: 'the server has no computed import, no eval, no Function, no node:vm and no module loader',
    because: 'what is loaded must be readable in the source, or none of these rules proves anything',
    broken: { 'server/src/store/load.ts': `export const load = (name: string) => import(name)` },
    violations: (repository) =>
      serverFiles(repository).flatMap(({ path, imports, globals }) => [
        ...imports.filter(({ specifier }) => specifier === undefined).map(() => `${path} has a computed import`),
        ...['eval', 'Function', 'require'].filter((name) => globals.has(name)).map((name) => `${path} uses ${name}`),
        ...imports
          .filter(({ specifier = '' }) => /^(node:)?(vm|module|worker_threads)$/.test(specifier))
          .map(({ specifier }) => `${path} imports ${specifier}`),
      ]),
  },
  {
    rule: 'createDecipheriv is only ever called with authTagLength',
    because: 'without it Node accepts tags of 4 bytes, which can be guessed (RELIABILITY, F5)',
    broken: {
      'client-lib/src/crypto/open.ts': `import { createDecipheriv } from 'node:crypto'
      export const open = (k: Uint8Array, n: Uint8Array) => createDecipheriv('aes-256-gcm', k, n)`,
    },
    violations: ({ tree }) =>
      [...tree.values()].flatMap(({ path, decipherPinned }) =>
        decipherPinned.filter((pinned) => !pinned).map(() => `${path} uses createDecipheriv without authTagLength`),
      ),
  },
  {
    rule: 'only crypto/seal casts to Sealed or SealedFrame',
    because: 'the brand then means what it says: these bytes came out of seal',
    broken: {
      'client-lib/src/messaging/send.ts': `export const send = (body: Uint8Array) => body as unknown as Sealed`,
    },
    violations: (repository) =>
      sources(repository, 'protocol/src', 'server/src', 'client-lib/src').flatMap(({ path, casts }) =>
        casts.some((name) => name === 'Sealed' || name === 'SealedFrame') && path !== 'client-lib/src/crypto/seal.ts'
          ? [`${path} casts to what only seal makes`]
          : [],
      ),
  },
  {
    rule: 'only the entries, and the one file that reads the environment of a node, touch process',
    because: 'two mediators in one process is a test; whoever reads the environment cannot be given another one',
    broken: { 'server/src/auth/secret.ts': `export const secret = process.env.SECRET` },
    violations: (repository) =>
      sources(repository, 'protocol/src', 'server/src', 'client-lib/src', 'migrations').flatMap((source) => {
        const touches =
          source.globals.has('process') ||
          source.imports.some(({ specifier = '' }) => /^(node:)?process$/.test(specifier)) ||
          (source.globals.has('globalThis') && source.words.has('process'))
        return touches && !entries.has(source.path) && source.path !== 'client-lib/src/options.ts'
          ? [`${source.path} touches process`]
          : []
      }),
  },
  {
    rule: 'import.meta is used by the entries only',
    because: 'every other file is also compiled to CommonJS, where it does not exist',
    broken: { 'client-lib/src/node.ts': `export const here = import.meta.url` },
    violations: (repository) =>
      sources(repository, 'protocol/src', 'server/src', 'client-lib/src', 'migrations').flatMap(
        ({ path, importMeta }) => (importMeta && !entries.has(path) ? [`${path} uses import.meta`] : []),
      ),
  },
  {
    rule: 'nothing imports an entry',
    because: 'importing a file that starts a process starts a process',
    broken: { 'server/src/mediator.ts': `import './main.js'` },
    violations: ({ tree }) =>
      [...tree.values()].flatMap(({ path, imports }) =>
        imports.flatMap(({ specifier }) => {
          const target = targetOf(path, specifier)
          return target && entries.has(target) ? [`${path} imports ${target}`] : []
        }),
      ),
  },
  {
    rule: 'inside a package files import files, not the index',
    because: 'through the index everything depends on everything, and cycles follow',
    broken: { 'client-lib/src/session/session.ts': `import { connect } from '../index.js'` },
    violations: (repository) =>
      importsOf(repository, 'protocol/src', 'server/src', 'client-lib/src').flatMap(({ path, specifier }) =>
        specifier && isRelative(specifier) && posix.basename(specifier) === 'index.js'
          ? [`${path} imports ${specifier}`]
          : [],
      ),
  },
  {
    rule: 'no variable of a module is reassigned, but in an entry',
    because: 'state that nobody was handed cannot be had twice, nor reset',
    broken: { 'server/src/routing/router.ts': `export let count = 0` },
    violations: (repository) =>
      sources(repository, 'protocol/src', 'server/src', 'client-lib/src', 'migrations').flatMap(
        ({ path, moduleLets }) =>
          entries.has(path) ? [] : moduleLets.map((name) => `${path} has the module variable ${name}`),
      ),
  },
  {
    rule: 'only mediator.ts and main.ts see the whole Config',
    because: 'a part that is handed everything needs everything; each is handed the two things it uses',
    broken: { 'server/src/routing/router.ts': `import type { Config } from '../config.js'` },
    violations: (repository) =>
      importsOf(repository, 'server/src').flatMap(({ path, specifier, names }) =>
        ['server/src/config.ts', 'server/src/settings/table.ts'].includes(targetOf(path, specifier) ?? '') &&
        names.some((name) => name === 'Config' || name === '*') &&
        !['server/src/config.ts', 'server/src/mediator.ts', 'server/src/main.ts'].includes(path)
          ? [`${path} imports Config`]
          : [],
      ),
  },
  {
    rule: 'every package that is imported is declared in the package.json beside it',
    because: 'npm resolves a sibling workspace or a dependency of a dependency without a word, until it does not',
    broken: { 'client-lib/src/http/fetch.ts': `import express from 'express'` },
    violations: ({ tree, manifests }) =>
      [...tree.values()].flatMap(({ path, imports }) => {
        const folder = path.startsWith('migrations/') ? 'server' : path.split('/')[0]!
        const manifest = manifests.get(folder)
        if (!manifest) return []
        const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
        return imports.flatMap(({ specifier }) =>
          specifier === undefined ||
          isRelative(specifier) ||
          /^(node:|#)/.test(specifier) ||
          packageOf(specifier) in declared
            ? []
            : [`${path} imports ${specifier}, which ${folder}/package.json does not declare`],
        )
      }),
  },
  {
    rule: 'a relative import stays inside its package',
    because: 'a package is published without its siblings',
    broken: { 'server/src/session/session.ts': `import { encode } from '../../../protocol/src/frame.js'` },
    violations: (repository) =>
      importsOf(repository, 'protocol/src', 'server/src', 'client-lib/src', 'migrations').flatMap(
        ({ path, specifier }) => {
          const target = specifier && isRelative(specifier) ? resolveRelative(path, specifier) : path
          return target.split('/')[0] === path.split('/')[0] ? [] : [`${path} imports ${specifier}`]
        },
      ),
  },
]

/** Each cycle that exists when the program runs, once, beginning at its first file by name. */
export function cyclesOf(tree: Tree): string[][] {
  const cycles = new Map<string, string[]>()
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      const cycle = path.slice(at)
      const first = cycle.indexOf([...cycle].sort()[0]!)
      const turned = [...cycle.slice(first), ...cycle.slice(0, first)]
      cycles.set(turned.join(), [...turned, turned[0]!])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const { specifier, erased, form } of tree.get(file)?.imports ?? []) {
      const target = erased || form === 'type' ? undefined : targetOf(file, specifier)
      if (target && tree.has(target)) visit(target)
    }
    path.pop()
    done.add(file)
  }
  for (const file of tree.keys()) visit(file)
  return [...cycles.values()]
}
