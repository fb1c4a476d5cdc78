// Runs before each test file of `make test-fast`: what listens, dials, spawns or opens a database does not belong there.
const net = require('node:net')
const childProcess = require('node:child_process')
const { Module } = require('node:module')

const refuse = (what) => () => {
  throw new Error(`a test of make test-fast ${what}: list its file under "slow" in jest.fast.config.mjs`)
}

net.Server.prototype.listen = refuse('listens on a port')
net.Socket.prototype.connect = refuse('opens a connection')
for (const name of ['spawn', 'spawnSync', 'fork', 'execFile', 'execFileSync', 'exec', 'execSync']) {
  childProcess[name] = refuse(`starts a process (${name})`)
}
const load = Module._load
Module._load = function (request, ...more) {
  if (request === 'libsql' || request === 'mysql2') refuse(`opens a database (${request})`)()
  return load.call(this, request, ...more)
}
