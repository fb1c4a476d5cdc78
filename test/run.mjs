// `make test`: builds, finds or starts a database, runs jest on everything, and says how it went.
// Arguments go to jest: `node test/run.mjs test/contract`.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startMysql } from './support/mysql-server.mjs'
import { nginxProgram } from './support/nginx-program.mjs'
import { shellPrograms } from './support/shell-programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const results = mkdtempSync(join(tmpdir(), 'sealway-test-'))
const children = new Set()
let mysql
let interrupted = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = true
    for (const child of children) child.kill(signal)
  })
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`test: ${error.message}`)
  process.exitCode = 1
} finally {
  await mysql?.stop()
  rmSync(results, { recursive: true, force: true })
}

async function main(args) {
  // The system tests spawn the real programs from dist.
  const built = await runToEnd('npm', ['run', '--silent', 'build'])
  if (interrupted) return 130
  if (built !== 0) {
    console.error('test: the build failed; nothing was tested')
    return built
  }
  const env = { ...process.env }
  if (!env.TEST_MYSQL_URL) {
    mysql = await startMysql()
    env.TEST_MYSQL_URL = mysql.url
  }
  env.TEST_NGINX ||= await nginxProgram()
  Object.assign(env, await shellPrograms())
  if (interrupted) return 130
  const file = join(results, 'jest.json')
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js')
  const code = await runToEnd(process.execPath, [jest, '--json', `--outputFile=${file}`, ...args], env)
  if (interrupted) return 130
  // A benchmark and no test, so it is counted apart; beside chosen tests it would only be in the way.
  const gate = args.length === 0 ? await runToEnd(process.execPath, [join(root, 'bench', 'gate.mjs')], env) : 0
  summarise(file)
  return code || gate
}

/** A suite that could not even be loaded counts as one failure: its tests were never counted. */
function summarise(file) {
  let report
  try {
    report = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    console.log('test: jest left no result')
    return
  }
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites
  const skipped = report.numPendingTests + report.numTodoTests
  console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
}

function runToEnd(program, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit', env })
    children.add(child)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      children.delete(child)
      resolve(signal ? 1 : code)
    })
  })
}
