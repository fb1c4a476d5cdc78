// A private MySQL or MariaDB for one test run: own folder, own port on loopback, own user, gone afterwards.
// Plain JavaScript without dependencies: test/run.mjs uses it before anything is built.
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram, installPackage } from './distribution.mjs'

const run = promisify(execFile)

const readyWithinMs = 60_000
/** After SIGTERM; then SIGKILL. */
const stopWithinMs = 15_000

/**
 * Starts a server, installing one first where that is possible.
 * @returns {Promise<{ url: string, stop(): Promise<void> }>}
 */
export async function startMysql(say = (line) => console.error(line)) {
  const program = findServer() ?? (await install(say))
  const folder = mkdtempSync(join(tmpdir().length > 60 ? '/tmp' : tmpdir(), 'sealway-db-'))
  try {
    return await startIn(folder, program)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** @returns the path of mariadbd or mysqld, or undefined */
function findServer() {
  return findProgram('mariadbd') ?? findProgram('mysqld')
}

async function startIn(folder, program) {
  const data = join(folder, 'data')
  const isMariadb = /maria/i.test((await run(program, ['--no-defaults', '--version'])).stdout)
  // A server that starts deletes what looks like its own in the folder for temporary files, also another's.
  const own = [`--datadir=${data}`, `--tmpdir=${folder}`]
  const asUser = process.getuid?.() === 0 ? ['--user=root'] : []
  const installer = findProgram('mariadb-install-db') ?? findProgram('mysql_install_db')
  if (isMariadb) {
    if (!installer) throw new Error(`${program} is here, but mariadb-install-db is not: install all of mariadb-server`)
    const options = ['--auth-root-authentication-method=normal', '--skip-test-db']
    await run(installer, ['--no-defaults', ...own, ...options, ...asUser])
  } else {
    await run(program, ['--no-defaults', '--initialize-insecure', ...own, ...asUser])
  }

  // `localhost` besides `%`: an anonymous user of localhost would come first otherwise.
  const password = randomBytes(16).toString('hex')
  const users = ['%', 'localhost', '127.0.0.1'].map((host) => `'sealway_test'@'${host}'`)
  const initFile = join(folder, 'init.sql')
  writeFileSync(
    initFile,
    users.map((u) => `CREATE USER ${u} IDENTIFIED BY '${password}';\nGRANT ALL ON *.* TO ${u};\n`).join(''),
    { mode: 0o600 },
  )

  const port = await freePort()
  const logFile = join(folder, 'error.log')
  const server = spawn(
    program,
    [
      '--no-defaults',
      ...own,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(folder, 's')}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--log-error=${logFile}`,
      `--init-file=${initFile}`,
      '--innodb-buffer-pool-size=64M',
      '--performance-schema=OFF',
      // A test run needs no power-loss safety of this server.
      '--innodb-flush-log-at-trx-commit=2',
      ...(isMariadb ? [] : ['--mysqlx=OFF', '--disable-log-bin']),
      ...asUser,
    ],
    { stdio: 'ignore' },
  )
  const exited = new Promise((resolve) => {
    server.once('exit', resolve)
    server.once('error', resolve)
  })
  let running = true
  exited.then(() => {
    running = false
  })

  const stop = async () => {
    if (running) {
      server.kill('SIGTERM')
      const timer = setTimeout(() => server.kill('SIGKILL'), stopWithinMs)
      await exited
      clearTimeout(timer)
    }
    rmSync(folder, { recursive: true, force: true })
  }

  const giveUpAt = Date.now() + readyWithinMs
  while (!(await greets(port))) {
    if (!running || Date.now() > giveUpAt) {
      const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n') : ''
      await stop()
      throw new Error(`${program} did not start:\n${log}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { url: `mysql://sealway_test:${password}@127.0.0.1:${port}/mysql`, stop }
}

/** True when a server sends its greeting there: it speaks first, once it takes connections. */
function greets(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', () => done(true))
    socket.once('error', () => done(false))
    socket.once('close', () => done(false))
    socket.setTimeout(2_000, () => done(false))
  })
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

/** The package's own service is not started. */
async function install(say) {
  await installPackage(
    'mariadb-server',
    'the tests need MySQL or MariaDB: install mariadb-server (or mysql-server), ' +
      'or set TEST_MYSQL_URL=mysql://user:password@host:port/database, whose user may create databases',
    say,
  )
  // Where somebody's own policy let it start, or would at the next boot.
  if (existsSync('/run/systemd/system')) await run('systemctl', ['disable', '--now', 'mariadb']).catch(() => {})
  else if (existsSync('/run/mysqld/mysqld.pid')) await run('service', ['mariadb', 'stop']).catch(() => {})
  const program = findServer()
  if (!program) throw new Error('mariadb-server was installed, but no mariadbd is to be found')
  return program
}
