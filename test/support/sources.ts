import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseSync } from '@swc/core'

/** One way in which a file reaches for another module. */
export interface Import {
  /** Absent where it is computed, so that nobody can tell what it reaches. */
  readonly specifier?: string
  readonly form: 'import' | 'export' | 'dynamic' | 'require' | 'type'
  /** What is taken: exported names, or `*` for the whole module. */
  readonly names: readonly string[]
  /** `import type`: nothing of it is left when the program runs. */
  readonly erased?: true
}

/** What the rules of the architecture need to know of a source file. */
export interface Source {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly imports: readonly Import[]
  /** Names used that the file does not declare: `process`, `eval`, `globalThis`. */
  readonly globals: ReadonlySet<string>
  /** Every name in any position: variables, properties, imported names. */
  readonly words: ReadonlySet<string>
  /** Text literals, whole. */
  readonly texts: ReadonlySet<string>
  /** Type names that something is cast to, or asserted to be. */
  readonly casts: readonly string[]
  /** One entry per place that names `createDecipheriv`; false unless it is a call with a pinned tag length. */
  readonly decipherPinned: readonly boolean[]
  /** Objects reached into by a computed key, as in `crypto[name]`. */
  readonly computedReaches: ReadonlySet<string>
  readonly moduleLets: readonly string[]
  readonly importMeta: boolean
}

/** Files by path; how each rule sees a repository, a real one or one made up by a test. */
export type Tree = ReadonlyMap<string, Source>

interface Syntax {
  readonly type: string
  readonly [field: string]: unknown
}

const isSyntax = (value: unknown): value is Syntax =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
const word = (node: unknown): string | undefined =>
  isSyntax(node) && typeof node.value === 'string' ? node.value : undefined
/** swc resolves names while it parses: scope 1 is what no scope of the file declares. */
const unresolved = 1

/** Parses with the compiler that also runs the tests, so comments and texts cannot be mistaken for code. */
export function parseSource(path: string, code: string): Source {
  const module = parseSync(code, { syntax: 'typescript', target: 'es2023' }) as unknown as { body: Syntax[] }
  const found = {
    imports: [] as Import[],
    globals: new Set<string>(),
    words: new Set<string>(),
    texts: new Set<string>(),
    casts: [] as string[],
    computedReaches: new Set<string>(),
    importMeta: false,
  }
  const pinningConstants = new Set(module.body.flatMap(pinningConstantsOf))
  let decipherCalls = 0
  let decipherUses = 0
  let pinnedCalls = 0

  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (isSyntax(value)) look(value)
    for (const [key, child] of Object.entries(value)) if (key !== 'span') visit(child)
  }

  const look = (node: Syntax): void => {
    const one = importOf(node)
    if (one) found.imports.push(one)
    switch (node.type) {
      case 'Identifier': {
        const name = node.value as string
        found.words.add(name)
        if (node.ctxt === unresolved) found.globals.add(name)
        if (name === 'createDecipheriv') decipherUses++
        break
      }
      case 'StringLiteral':
        found.texts.add(node.value as string)
        break
      case 'TemplateElement':
        found.texts.add(String(node.cooked ?? node.raw))
        break
      case 'MetaProperty':
        if (node.kind === 'import.meta') found.importMeta = true
        break
      case 'MemberExpression': {
        const property = node.property as Syntax
        const object = word(node.object)
        if (property.type === 'Computed' && object) found.computedReaches.add(object)
        break
      }
      case 'TsAsExpression':
      case 'TsTypeAssertion':
      case 'TsTypePredicate':
        found.casts.push(...typeNames(node.typeAnnotation))
        break
      case 'CallExpression': {
        const callee = node.callee as Syntax
        const name = word(callee) ?? (callee.type === 'MemberExpression' ? word(callee.property) : undefined)
        if (name === 'createDecipheriv') {
          decipherCalls++
          if (pinsTagLength(node, pinningConstants)) pinnedCalls++
        }
        break
      }
    }
  }
  visit(module.body)

  // An import names it once without using it; any other mention that is not a call could be an alias.
  const imported = found.imports.filter((one) => one.names.includes('createDecipheriv')).length
  const loose = Math.max(0, decipherUses - imported - decipherCalls)
  return {
    path,
    ...found,
    decipherPinned: [
      ...Array<boolean>(pinnedCalls).fill(true),
      ...Array<boolean>(decipherCalls - pinnedCalls + loose).fill(false),
    ],
    moduleLets: module.body.flatMap(letsOf),
  }
}

function importOf(node: Syntax): Import | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return {
        specifier: word(node.source)!,
        form: 'import',
        names: (node.specifiers as Syntax[]).map(takenName),
        ...(node.typeOnly === true && { erased: true }),
      }
    case 'ExportAllDeclaration':
      return { specifier: word(node.source)!, form: 'export', names: ['*'] }
    case 'ExportNamedDeclaration':
      if (!node.source) return undefined
      return { specifier: word(node.source)!, form: 'export', names: (node.specifiers as Syntax[]).map(takenName) }
    case 'TsImportEqualsDeclaration': {
      const reference = node.moduleRef as Syntax
      if (reference.type !== 'TsExternalModuleReference') return undefined
      return { specifier: word(reference.expression)!, form: 'require', names: ['*'] }
    }
    case 'TsImportType':
      return { specifier: word(node.argument)!, form: 'type', names: ['*'] }
    case 'CallExpression': {
      const callee = node.callee as Syntax
      const isRequire =
        word(callee) === 'require' ||
        (callee.type === 'MemberExpression' && word(callee.object) === 'require' && word(callee.property) === 'resolve')
      if (callee.type !== 'Import' && !isRequire) return undefined
      const argument = (node.arguments as { expression: Syntax }[])[0]?.expression
      const specifier = argument?.type === 'StringLiteral' ? word(argument) : undefined
      return { ...(specifier && { specifier }), form: isRequire ? 'require' : 'dynamic', names: ['*'] }
    }
    default:
      return undefined
  }
}

/** The name on the other module's side: `a` of `{ a as b }`. */
function takenName(specifier: Syntax): string {
  if (specifier.type === 'ImportDefaultSpecifier') return 'default'
  if (specifier.type === 'ImportSpecifier') return word(specifier.imported) ?? word(specifier.local)!
  if (specifier.type === 'ExportSpecifier') return word(specifier.orig)!
  return '*'
}

function typeNames(annotation: unknown): string[] {
  if (Array.isArray(annotation)) return annotation.flatMap(typeNames)
  if (!isSyntax(annotation)) return []
  const own = annotation.type === 'TsTypeReference' ? word(annotation.typeName) : undefined
  return [...(own ? [own] : []), ...Object.values(annotation).flatMap((child) => typeNames(child))]
}

/** `createDecipheriv(algorithm, key, iv, { authTagLength: 16 })`, the options in place or a constant of the file. */
function pinsTagLength(call: Syntax, constants: ReadonlySet<string>): boolean {
  const options = (call.arguments as { expression: Syntax }[])[3]?.expression
  return hasTagLength(options) || constants.has(word(options) ?? '')
}

const hasTagLength = (value: unknown): boolean => {
  if (!isSyntax(value)) return false
  if (value.type === 'TsAsExpression' || value.type === 'TsConstAssertion' || value.type === 'TsSatisfiesExpression') {
    return hasTagLength(value.expression)
  }
  if (value.type !== 'ObjectExpression') return false
  return (value.properties as Syntax[]).some(
    (property) => property.type === 'KeyValueProperty' && word(property.key) === 'authTagLength',
  )
}

function pinningConstantsOf(statement: Syntax): string[] {
  const declaration = statement.type === 'ExportDeclaration' ? (statement.declaration as Syntax) : statement
  if (declaration.type !== 'VariableDeclaration' || declaration.kind !== 'const') return []
  return (declaration.declarations as { id: Syntax; init: unknown }[])
    .filter(({ init }) => hasTagLength(init))
    .map(({ id }) => word(id) ?? '')
}

function letsOf(statement: Syntax): string[] {
  const declaration = statement.type === 'ExportDeclaration' ? (statement.declaration as Syntax) : statement
  if (declaration.type !== 'VariableDeclaration' || declaration.kind === 'const' || declaration.declare) return []
  return (declaration.declarations as { id: Syntax }[]).map(({ id }) => word(id) ?? 'a pattern')
}

/** Every `.ts` and `.mts` file under these folders, parsed. */
export function readTree(root: string, folders: readonly string[]): Tree {
  const tree = new Map<string, Source>()
  const walk = (folder: string): void => {
    for (const name of readdirSync(join(root, folder))) {
      const path = posix.join(folder, name)
      if (name === 'node_modules' || name === 'dist') continue
      if (statSync(join(root, path)).isDirectory()) walk(path)
      else if (/\.m?ts$/.test(name)) tree.set(path, parseSource(path, readFileSync(join(root, path), 'utf8')))
    }
  }
  for (const folder of folders) walk(folder)
  return tree
}

/** A made-up tree, for proving that a rule can fail. */
export const treeOf = (files: { readonly [path: string]: string }): Tree =>
  new Map(Object.entries(files).map(([path, code]) => [path, parseSource(path, code)]))

/** The file that a relative import means, whether or not it exists: `./x.js` is written, `x.ts` is the source. */
export const resolveRelative = (from: string, specifier: string): string =>
  posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts')

export const isRelative = (specifier: string): boolean => /^\.{1,2}(\/|$)/.test(specifier)

/** `@scope/name` or `name`, without the path inside the package. */
export const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
