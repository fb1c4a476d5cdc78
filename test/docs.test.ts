import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { codeTable } from '@sealway/protocol'
import { configWarnings } from '../server/src/config'
import { allSettings } from '../server/src/settings/table'
import { commandLine } from './support/command-line'
import { codeWords, fences, markdownFiles, relativeLinks, tableRows } from './support/markdown'

const root = join(__dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const sourceFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
const codes = codeTable.map((row) => row[1] as string)

describe('docs/errors.md', () => {
  it('has each code of the table with its number, retry, status and meaning, and no other', () => {
    const documented = tableRows(read('docs/errors.md')).map((cells) => cells.slice(0, 5))
    expect(documented).toEqual(
      codeTable.map(([number, code, retry, status, meaning]) => [
        String(number),
        `\`${code}\``,
        retry,
        (status as number) === 0 ? '-' : String(status),
        meaning,
      ]),
    )
  })

  it('says of each code what to do', () => {
    for (const [, code, , , , advice] of tableRows(read('docs/errors.md'))) {
      expect([code, advice]).toEqual([code, expect.stringMatching(/\w{3,}/)])
    }
  })
})

describe('docs/settings.md', () => {
  it('has each setting with its unit, default and meaning, and no other', () => {
    const documented = tableRows(read('docs/settings.md'))
    expect(documented).toEqual(
      allSettings.map(({ name, unit, fallback, secret, meaning }) => [
        `\`${name}\``,
        unit.replaceAll('<', '\\<'),
        secret ? 'generated' : fallback === '' ? 'off' : `\`${fallback}\``,
        meaning,
      ]),
    )
  })
})

describe('docs/settings.md, settings of a node', () => {
  const section = read('docs/settings.md').split('## Settings of a node')[1]!
  const documented = [...section.matchAll(/^- `([A-Z0-9_]+)`:/gm)].map(([, name]) => name!)

  it('lists every variable that the client library reads from the environment', () => {
    const names = sourceFiles(join(root, 'client-lib/src')).flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/(?:environment|process\.env)\.([A-Z][A-Z0-9_]+)/g)].map(
        ([, name]) => name!,
      ),
    )
    expect(names).toEqual(expect.arrayContaining(['SEALWAY_URL', 'SEALWAY_KEYS_FILE']))
    // `sealway` sets it for the program that it starts; nobody else does.
    const internal = 'SEALWAY_PROGRAM'
    const wanted = [...new Set(names), 'PROTECTED_AES256'].filter((name) => name !== internal)
    expect(documented).toEqual(expect.arrayContaining(wanted))
  })

  it('lists only variables that the mediator does not warn of, except for the payload key', () => {
    const environment = Object.fromEntries(documented.map((name) => [name, 'x']))
    const warned = configWarnings(environment).filter((text) => text.startsWith('environment: '))
    expect(warned).toEqual(['environment: PROTECTED_AES256 is not a setting'])
  })
})

describe('docs/lifecycle.md', () => {
  it('names every code there is, and no other', () => {
    const named = new Set(codeWords(read('docs/lifecycle.md')).filter((text) => /^[A-Z][A-Z_]+$/.test(text)))
    expect([...named].sort()).toEqual([...codes].sort())
  })

  it('walks through twelve hops in order', () => {
    const hops = tableRows(read('docs/lifecycle.md')).map(([number]) => number)
    expect(hops).toEqual(Array.from({ length: 12 }, (_, i) => String(i + 1)))
  })
})

describe('docs/features.md', () => {
  const rows = tableRows(read('docs/features.md'))

  it('lists features 1 to 116 in order, each as works or not yet', () => {
    expect(rows.map(([number]) => Number(number))).toEqual(Array.from({ length: 116 }, (_, i) => i + 1))
    for (const [number, , state] of rows)
      expect([number, state]).toEqual([number, expect.stringMatching(/^(works|not yet)$/)])
  })

  it('names for each that works a test that exists, and none for the others', () => {
    for (const [number, , state, shownBy] of rows) {
      const tests = relativeLinks(shownBy!).map((link) => posix.join('docs', link))
      if (state === 'not yet') expect([number, tests]).toEqual([number, []])
      else expect([number, tests]).not.toEqual([number, []])
      for (const test of tests) {
        expect([number, test]).toEqual([number, expect.stringMatching(/^test\/.*\.test\.ts$/)])
        expect([number, test, existsSync(join(root, test))]).toEqual([number, test, true])
      }
    }
  })
})

describe('docs/README.md', () => {
  it('leads to every document, and each picture is shown by one', () => {
    const files = markdownFiles(root)
    const linked = files.flatMap((file) => relativeLinks(read(file)).map((to) => posix.join(posix.dirname(file), to)))
    const fromHere = relativeLinks(read('docs/README.md')).map((to) => posix.join('docs', to))
    const documents = files.filter((file) => /^docs\/[^/]+\.md$/.test(file) && file !== 'docs/README.md')
    expect(documents.filter((file) => !fromHere.includes(file))).toEqual([])
    const pictures = readdirSync(join(root, 'docs/images')).map((name) => `docs/images/${name}`)
    expect(pictures.filter((path) => !linked.includes(path))).toEqual([])
  })
})

it('README.md leads to each example', () => {
  const linked = relativeLinks(read('README.md'))
  const helpers = ['examples/environment.ts', 'examples/terminal.ts']
  const examples = ['examples', 'examples/browser', 'examples/nestjs'].flatMap((folder) =>
    readdirSync(join(root, folder)).flatMap((file) => (/\.[jt]s$/.test(file) ? [`${folder}/${file}`] : [])),
  )
  expect(examples.filter((file) => !linked.includes(file) && !helpers.includes(file))).toEqual([])
})

describe('docs/tour.md', () => {
  it('comes by every folder of the sources', () => {
    const tour = read('docs/tour.md')
    const folders = ['client-lib/src', 'server/src'].flatMap((source) =>
      readdirSync(join(root, source), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${source}/${name}/`),
    )
    expect(folders.filter((folder) => !tour.includes(folder) && !tour.includes(`\`${folder.split('/')[2]}/`))).toEqual(
      [],
    )
  })
})

async function commandNames(): Promise<string[]> {
  const sealway = commandLine()
  try {
    const { out } = await sealway.run(['--help'])
    return [...out.slice(out.indexOf('Commands:')).matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!)
  } finally {
    sealway.remove()
  }
}

describe('all markdown', () => {
  const files = markdownFiles(root)

  it('is found', () => {
    for (const file of ['README.md', 'CHANGELOG.md', 'docs/tour.md', 'docs/threat-model.md', 'docs/operations.md']) {
      expect(files).toContain(file)
    }
  })

  it.each(files)('%s links only to what exists', (file) => {
    const broken = relativeLinks(read(file)).filter((link) => !existsSync(join(root, posix.dirname(file), link)))
    expect(broken).toEqual([])
  })

  it.each(files)('%s names only files and folders that exist', (file) => {
    const paths = codeWords(read(file)).filter((text) =>
      /^(protocol|server|client-lib|migrations|test|docs|examples|bench|fixtures)\/[\w./-]*$/.test(text),
    )
    expect(paths.filter((path) => !/(^|\/)dist(\/|$)/.test(path) && !existsSync(join(root, path)))).toEqual([])
  })

  it.each(files)('%s names only make targets that exist', (file) => {
    const targets = new Set([...read('Makefile').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name))
    const named = [...read(file).matchAll(/\bmake ((?:[a-z]+-)*[a-z]+)\b(?=`|$| +#|;)/gm)].map(([, name]) => name!)
    // What users of @stopsopa/mediator look for by its old name.
    const old = file === 'docs/migrating.md' ? ['docs', 'u'] : []
    expect(named.filter((name) => !targets.has(name) && !old.includes(name))).toEqual([])
  })

  it.each(files.filter((file) => file !== 'docs/features.md'))('%s names only commands that exist', async (file) => {
    const text = read(file)
    const shell = fences(text).filter(({ language }) => language === 'sh')
    const words = [...codeWords(text), ...shell.flatMap(({ code }) => code.split('\n'))]
    const named = words.flatMap((word) => /(?:^|npx |\(|[A-Z]+=\S* )sealway ([a-z]+)/.exec(word)?.[1] ?? [])
    const commands = await commandNames()
    expect(named.filter((name) => !commands.includes(name))).toEqual([])
  })

  it('numbers the decisions without a gap, and each says what was given up', () => {
    const decisions = files.filter((file) => file.startsWith('docs/decisions/')).sort()
    decisions.forEach((file, i) => {
      expect(posix.basename(file)).toMatch(new RegExp(`^${String(i + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`))
      for (const part of ['**Decided.**', '**Why.**', '**Given up.**']) expect(read(file)).toContain(part)
      expect(read(file)).toMatch(new RegExp(`^# ${i + 1}\\. `))
    })
    expect(decisions.length).toBeGreaterThanOrEqual(5)
  })
})
