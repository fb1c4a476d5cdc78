import { join } from 'node:path'
import { flagsOfOthers } from '../../server/src/cli/completion'
import { build, repositoryRoot, runProgram } from '../support/program'

const sealway = join(repositoryRoot, 'server/bin/sealway.mjs')
const helpOf = (verb: string) => runProgram(process.execPath, [sealway, verb, '--help'], { cwd: repositoryRoot })

beforeAll(build)

describe.each([...flagsOfOthers])('sealway %s, which another program runs', (verb, flags) => {
  it('shows examples of itself in its help', () => {
    const { status, output } = helpOf(verb)
    expect({ status, output }).toEqual({
      status: 0,
      output: expect.stringMatching(new RegExp(`Examples.*:\\n(  .*\\n)*?  .*(sealway|sealway-node) ${verb} `)),
    })
  })

  it('is completed with its flags, and with no other', () => {
    const shown = [...helpOf(verb).output.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag!)
    // The help of the verbs is one text, in which this is said of broadcasts.
    const own = shown.filter((flag) => flag !== '--version' && (flag !== '--want' || verb === 'broadcast'))
    expect([...flags].sort()).toEqual(own.sort())
  })
})

it.each(['send', 'call', 'broadcast', 'peers', 'create'])('sealway %s says what is wrong with its usage: 2', (verb) => {
  const { status, output } = runProgram(process.execPath, [sealway, verb, '--nonsense'], { cwd: repositoryRoot })
  expect({ status, output }).toEqual({ status: 2, output: expect.stringContaining("'--nonsense'") })
  expect(output).toContain('--help shows how')
})
