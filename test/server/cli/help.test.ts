import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flagsOfOthers } from '../../../server/src/cli/completion'
import { commandLine } from '../../support/command-line'

let sealway: ReturnType<typeof commandLine>
beforeEach(() => {
  sealway = commandLine()
})
afterEach(() => sealway.remove())

/** They are run by other programs, whose help is theirs. */
const others = new Set([...flagsOfOthers.keys(), 'help'])

const commandsIn = (help: string): string[] => {
  const list = /\nCommands:\n((?: {2}.*\n)+)/.exec(help)?.[1] ?? ''
  return [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name!).filter((name) => !others.has(name))
}

const helpOf = async (...path: string[]): Promise<string> => (await sealway.run([...path, '--help'])).out

it('every command shows examples of itself in its help', async () => {
  const commands = commandsIn(await helpOf())
  expect(commands).toEqual(expect.arrayContaining(['start', 'top', 'tail', 'doctor', 'completion', 'policies']))
  for (const command of commands) {
    const help = await helpOf(command)
    expect([command, help]).toEqual([
      command,
      expect.stringMatching(new RegExp(`Examples:\\n(.*\\n)*?.*sealway ${command}`)),
    ])
    for (const child of commandsIn(help)) {
      const text = await helpOf(command, child)
      expect([child, text]).toEqual([
        child,
        expect.stringMatching(new RegExp(`Examples:\\n(.*\\n)*?.*sealway ${command} ${child}`)),
      ])
    }
  }
})

describe('sealway completion', () => {
  const completed = (script: string, ...words: string[]): string[] => {
    const file = join(sealway.folder, 'completion.bash')
    writeFileSync(
      file,
      `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length - 1}\n_sealway\nprintf '%s\\n' "\${COMPREPLY[@]}"\n`,
    )
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', file], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
    return stdout.split('\n').filter((line) => line !== '')
  }

  it('completes commands, commands of commands, and options, in bash', async () => {
    const { out } = await sealway.run(['completion', 'bash'])
    expect(completed(out, 'sealway', 'to')).toEqual(['token', 'top'])
    expect(completed(out, 'sealway', 'policies', '')).toEqual(expect.arrayContaining(['list', 'set', 'remove']))
    expect(completed(out, 'sealway', 'policies', 'set', '--re')).toEqual(['--retries'])
    expect(completed(out, 'sealway', 'tail', '--f')).toEqual(['--from'])
    expect(completed(out, 'sealway', 'nodes', '--json', '--on')).toEqual(['--online'])
  })

  it('names every command for zsh and fish', async () => {
    const commands = commandsIn(await helpOf())
    for (const shell of ['zsh', 'fish']) {
      const { code, out } = await sealway.run(['completion', shell])
      expect(code).toBe(0)
      for (const command of commands) expect(out).toMatch(new RegExp(`\\b${command}\\b`))
    }
    expect((await sealway.run(['completion', 'zsh'])).out).toMatch(/^#compdef sealway\n/)
  })

  it('knows no other shell', async () => {
    expect(await sealway.run(['completion', 'csh'])).toMatchObject({ code: 2 })
  })
})
