// Runs programs together: their lines prefixed with their names, one Ctrl-C for all.
import { spawn } from 'node:child_process'

/** ANSI colours, one for each program. */
const colours = [36, 33, 32, 35]
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Starts the first program, and the others when it says that it is ready. They end together: on a signal, or when one
 * of them ends by itself. The first is asked last, so that the others can say good-bye to it.
 * @param {{ name: string, args: string[], cwd: string, env: object, isReady?: RegExp }[]} programs
 * @param {NodeJS.Process} parent whose signals and output these are
 * @returns {Promise<number>} 0 where a signal ended them in order, else 1
 */
export async function together(programs, parent) {
  const [first, ...others] = programs
  const width = Math.max(...programs.map(({ name }) => name.length))
  const isColourful = parent.env.FORCE_COLOR !== undefined || (parent.stdout.isTTY === true && !parent.env.NO_COLOR)
  const running = new Map()
  /** Who was asked to end. */
  const asked = new Set()
  let stopping = false
  let code = 0
  let allEnded = () => {}
  const end = new Promise((resolve) => {
    allEnded = resolve
  })

  function start(program) {
    const colour = colours[programs.indexOf(program) % colours.length]
    const label = program.name.padEnd(width)
    const prefix = isColourful ? `\u001b[${colour}m${label}\u001b[0m | ` : `${label} | `
    const say = (line) => parent.stdout.write(`${prefix}${line}\n`)
    // In groups of their own: Ctrl-C reaches this program alone, which asks each of them once, and in order.
    const detached = parent.platform !== 'win32'
    const options = { cwd: program.cwd, env: program.env, detached, stdio: ['ignore', 'pipe', 'pipe'] }
    const child = spawn(parent.execPath, program.args, options)
    running.set(program, child)
    for (const stream of [child.stdout, child.stderr]) {
      inLines(stream, (line) => {
        say(line)
        if (program.isReady?.test(line)) startOthers()
      })
    }
    child.once('error', (error) => say(`cannot be started: ${error.message}`))
    child.once('close', (status, signal) => {
      running.delete(program)
      // By the signal itself: it had only begun.
      if (!asked.has(program) || (status !== 0 && signal !== 'SIGTERM')) {
        say(`ended with ${signal ?? status}${stopping ? '' : '; the others are stopped'}`)
        code = 1
      }
      stop()
      if (running.size === 0) allEnded()
    })
  }

  function startOthers() {
    if (stopping || running.size > 1) return
    for (const program of others) start(program)
  }

  function stop() {
    stopping = true
    const rest = others.filter((program) => running.has(program))
    for (const program of rest.length > 0 ? rest : [first]) {
      if (!asked.has(program)) running.get(program)?.kill('SIGTERM')
      asked.add(program)
    }
  }

  function onSignal() {
    // Once more: at once.
    if (stopping) for (const child of running.values()) child.kill('SIGKILL')
    else stop()
  }

  for (const signal of signals) parent.on(signal, onSignal)
  start(first)
  await end
  for (const signal of signals) parent.off(signal, onSignal)
  return code
}

/** Whole lines, also where they come in pieces. */
function inLines(stream, each) {
  let rest = ''
  stream.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) each(line)
  })
  stream.on('end', () => rest !== '' && each(rest))
}
