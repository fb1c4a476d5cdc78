// The shells whose completion is tested. Plain JavaScript: test/run.mjs uses it before anything is built.
import { findProgram, installPackage } from './distribution.mjs'

/** `script` gives a shell the terminal that it completes in. Package names are those of Debian. */
const programs = [
  ['TEST_BASH', 'bash', 'bash'],
  ['TEST_ZSH', 'zsh', 'zsh'],
  ['TEST_FISH', 'fish', 'fish'],
  ['TEST_SCRIPT', 'script', 'bsdutils'],
]

/** @returns {Promise<Record<string, string>>} the path of each, by variable; installs what is missing where it can */
export async function shellPrograms(say = (line) => console.error(line)) {
  const found = {}
  for (const [variable, name, wanted] of programs) {
    found[variable] = process.env[variable] || findProgram(name)
    if (found[variable]) continue
    await installPackage(wanted, `the tests need ${name}: install it, or set ${variable}=<path of ${name}>`, say)
    found[variable] = findProgram(name)
    if (!found[variable]) throw new Error(`${wanted} was installed, but no ${name} is to be found`)
  }
  return found
}
