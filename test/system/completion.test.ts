import { execFileSync } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine } from '../support/command-line'
import { openTerminal, type Terminal } from '../support/terminal'

/** @throws where `node test/run.mjs` has not said where the program is */
function program(variable: string): string {
  const path = process.env[variable]
  if (!path)
    throw new Error(`${variable} is not set: run \`make test\` (or \`node test/run.mjs <path>\`), which sets it`)
  return path
}

let sealway: ReturnType<typeof commandLine>
let terminal: Terminal | undefined
beforeEach(() => {
  sealway = commandLine()
})
afterEach(async () => {
  await terminal?.close()
  terminal = undefined
  sealway.remove()
})

const scriptOf = async (shell: string): Promise<string> => {
  const file = join(sealway.folder, `completion.${shell}`)
  writeFileSync(file, (await sealway.run(['completion', shell])).out)
  return file
}

const clearLine = '\x15'

/** A shell without anybody's own settings, in which the completion was loaded. */
async function shellWith(command: readonly string[], load: string): Promise<Terminal> {
  const env = { PATH: process.env.PATH ?? '', HOME: sealway.folder, TERM: 'dumb', PS1: '$ ' }
  const shell = openTerminal(program('TEST_SCRIPT'), command, { cwd: sealway.folder, env })
  terminal = shell
  shell.type(`${load}; echo lo''aded\n`)
  await shell.shows(/loaded\r?\n/)
  return shell
}

const interactive = [
  ['bash', () => [program('TEST_BASH'), '--noprofile', '--norc', '-i'], (file: string) => `source ${file}`],
  ['zsh', () => [program('TEST_ZSH'), '-f', '-i'], (file: string) => `source ${file}`],
] as const

describe.each(interactive)('sealway completion %s, at the TAB of a real shell', (name, command, load) => {
  it('completes commands, commands of commands, flags and values without an error', async () => {
    const shell = await shellWith(command(), load(await scriptOf(name)))
    for (const [typed, expected] of [
      ['sealway doct\t', /sealway doctor /],
      ['sealway policies rem\t', /sealway policies remove /],
      ['sealway policies set --ret\t', /sealway policies set --retries /],
      ['sealway nodes --json --onl\t', /sealway nodes --json --online /],
      ['sealway completion f\t', /sealway completion fish /],
      ['sealway to\t\t', /\btoken\b[\s\S]*\btop\b/],
    ] as const) {
      shell.type(`${clearLine}${typed}`)
      await shell.shows(expected)
    }
    expect(shell.shown()).not.toMatch(/unrecognized|modifier|not found|bad |error|no such/i)
  })
})

it('sealway completion zsh, as a file in fpath, completes from the first TAB on', async () => {
  const file = await scriptOf('zsh')
  copyFileSync(file, join(sealway.folder, '_sealway'))
  const shell = await shellWith(
    [program('TEST_ZSH'), '-f', '-i'],
    `fpath=(${sealway.folder} $fpath); autoload -Uz compinit && compinit -u`,
  )
  for (const expected of [/sealway doctor /, /sealway doctor /]) {
    shell.type(`${clearLine}sealway doct\t`)
    await shell.shows(expected)
  }
  expect(shell.shown()).not.toMatch(/unrecognized|modifier|not found|bad |error|no such/i)
})

describe('sealway completion fish, completed by fish itself', () => {
  const completed = async (line: string): Promise<string[]> => {
    const file = await scriptOf('fish')
    const out = execFileSync(program('TEST_FISH'), ['--no-config', '-c', `source ${file}; complete -C '${line}'`], {
      cwd: sealway.folder,
      env: { PATH: process.env.PATH ?? '', HOME: sealway.folder },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return out.split('\n').flatMap((text) => text.split('\t')[0] || [])
  }

  it('completes commands, commands of commands, flags and values', async () => {
    expect(await completed('sealway to')).toEqual(['token', 'top'])
    expect(await completed('sealway policies re')).toEqual(['remove'])
    expect(await completed('sealway policies set --ret')).toEqual(['--retries'])
    expect(await completed('sealway nodes --json --onl')).toEqual(['--online'])
    expect(await completed('sealway completion ')).toEqual(['bash', 'fish', 'zsh'])
  })

  it('offers nothing that belongs to another command', async () => {
    expect(await completed('sealway policies set --o')).toEqual([])
    expect(await completed('sealway tail --ret')).toEqual([])
    expect((await completed('sealway config print ')).filter((word) => word === 'template')).toEqual([])
  })
})
