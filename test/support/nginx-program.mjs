// nginx, as a real upstream. Plain JavaScript: test/run.mjs uses it before anything is built.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { findProgram, installPackage } from './distribution.mjs'

const run = promisify(execFile)

/** @returns {Promise<string>} the path of nginx, which is installed where that is possible */
export async function nginxProgram(say = (line) => console.error(line)) {
  const there = findProgram('nginx')
  if (there) return there
  await installPackage('nginx-light', 'the tests need nginx: install it, or set TEST_NGINX=<path of nginx>', say)
  // Where somebody's own policy let it start, or would at the next boot.
  if (existsSync('/run/systemd/system')) await run('systemctl', ['disable', '--now', 'nginx']).catch(() => {})
  const program = findProgram('nginx')
  if (!program) throw new Error('nginx-light was installed, but no nginx is to be found')
  return program
}
