import { join } from 'node:path'
import { flagsOfOthers } from '../../server/src/cli/completion'
import { build, repositoryRoot, runProgram } from '../support/program'

const sealway = join(repositoryRoot, 'server/bin/sealway.mjs')
const helps = new Map<string, ReturnType<typeof runProgram>>()
/** Each program is run once. */
function helpOf(verb: string) {
  const help = helps.get(verb) ?? runProgram(process.execPath, [sealway, verb, '--help'], { cwd: repositoryRoot })
  helps.set(verb, help)
  return help
}

beforeAll(build)

describe.each([...flagsOfOthers])('sealway %s, which another program runs', (verb, flags) => {
  it('shows examples of itself in its help', () => {
    const { status, output } = helpOf(verb)
    expect({ status, output }).toEqual({
      status: 0,
      output: expect.stringMatching(new RegExp(`Examples.*:\\n(  .*\\n)*?  .*sealway ${verb} `)),
    })
  })

  it('is completed with its flags, and with no other', () => {
    const shown = [...helpOf(verb).output.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag!)
    const own = shown.filter((flag) => flag !== '--version' && flag !== '--help')
    expect([...flags].sort()).toEqual(own.sort())
  })
})

it.each([...flagsOfOthers.keys()])('sealway %s says what is wrong with its usage: 2', (verb) => {
  const { status, output } = runProgram(process.execPath, [sealway, verb, '--nonsense'], { cwd: repositoryRoot })
  expect({ status, output }).toEqual({ status: 2, output: expect.stringContaining("'--nonsense'") })
  expect(output).toContain('--help shows how')
})
