import { createServer } from 'node:net'
import { effective, readSetting } from '../../config.js'
import type { LiveHealth, LiveNode } from '../../live/events.js'
import { settings } from '../../settings/table.js'
import { envFileOf, type Io } from '../io.js'
import { type LiveOptions, openFeed } from '../live-feed.js'
import { Snapshot } from '../snapshot.js'
import { type Finding, fail, messageOf, ok, warn } from './finding.js'
import { trafficFindings } from './traffic.js'

/** How long a running mediator may take to tell what it does, ms. */
const tellWithinMs = 5_000
/** What receivers allow between two clocks (ENVELOPE, "skew"), and what is worth a word, ms. */
const skewLimitMs = 120_000
const skewWordMs = 2_000
const lagWordMs = 200

/** A mediator that runs, or that the ports are free for one. */
export async function checkMediator(io: Io, options: LiveOptions): Promise<Finding[]> {
  let snapshot: Snapshot
  try {
    snapshot = await look(io, options)
  } catch (error) {
    if (options.url !== undefined) return [fail('mediator', messageOf(error), 'see --url and --token')]
    return notRunning(io, error)
  }
  const { health } = snapshot
  if (!health) return [fail('mediator', `it told nothing within ${tellWithinMs / 1_000} s`, 'see its log')]
  const nodes = [...snapshot.nodes.values()]
  return [
    ...ofMediator(io, health),
    clockOf(health),
    ...ofNodes(nodes),
    ...trafficFindings(health, nodes),
    ...ofKeys(nodes),
  ]
}

async function look(io: Io, options: LiveOptions): Promise<Snapshot> {
  const socket = await openFeed(io, options)
  const snapshot = new Snapshot()
  snapshot.listen(socket)
  try {
    socket.emit('watch', { topics: ['nodes', 'health'] }, () => {})
    await snapshot.complete(socket, tellWithinMs)
  } finally {
    socket.disconnect()
  }
  return snapshot
}

async function notRunning(io: Io, error: unknown): Promise<Finding[]> {
  const file = await envFileOf(io)
  if (effective(io.environment, file).some(({ problem }) => problem !== undefined)) return []
  const findings: Finding[] = []
  for (const [host, port, name] of [
    [settings.host, settings.port, 'PORT'],
    [settings.adminHost, settings.adminPort, 'ADMIN_PORT'],
  ] as const) {
    const at = { host: readSetting(host, io.environment, file), port: readSetting(port, io.environment, file) }
    const code = await listenCode(at)
    findings.push(
      code === undefined
        ? ok('ports', `${name} ${at.port} is free`)
        : fail('ports', `${name} ${at.port} on ${at.host} cannot be taken: ${code}`, `stop who has it, or set ${name}`),
    )
  }
  const isFree = findings.every(({ state }) => state === 'ok')
  const text = isFree ? 'none is running here' : messageOf(error)
  return [...findings, warn('mediator', text, isFree ? 'sealway start' : 'if it is one: see --url and --token')]
}

const listenCode = (at: { readonly host: string; readonly port: number }): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(at, () => server.close(() => resolve(undefined)))
  })

function ofMediator(io: Io, health: LiveHealth): Finding[] {
  const links = Object.values(health.links).reduce((sum, count) => sum + count, 0)
  return [
    health.version === io.version
      ? ok('mediator', `version ${health.version} runs, with ${links} links`)
      : warn(
          'mediator',
          `version ${health.version} runs; this command is ${io.version}`,
          'restart it to use what is installed',
        ),
    ...(health.database === 'up' ? [] : [fail('mediator', 'its database does not answer', 'see the log of both')]),
    ...(health.draining ? [warn('mediator', 'it is draining', 'it ends by itself')] : []),
    ...(health.overload === 'none'
      ? []
      : [
          fail(
            'mediator',
            `its queues are over 80 % of their budget: ${health.overload}`,
            'sealway top shows who does not read',
          ),
        ]),
    health.lagMaxMs > lagWordMs
      ? warn('mediator', `its event loop was ${health.lagMaxMs.toFixed(0)} ms late`, 'it has too little processor time')
      : ok('mediator', `its event loop is on time (${health.lagMaxMs.toFixed(0)} ms)`),
  ]
}

function clockOf({ now }: LiveHealth): Finding {
  // It was told within the last second, so a difference below that means nothing.
  const off = Math.round(now - Date.now())
  const text = `the mediator's clock is ${Math.abs(off)} ms off this machine's`
  if (Math.abs(off) > skewLimitMs)
    return fail('clock', text, 'run NTP: messages from here are refused as too old or too new')
  if (Math.abs(off) > skewWordMs) return warn('clock', text, 'run NTP on both')
  return ok('clock', "the mediator's clock agrees with this machine's")
}

function ofNodes(nodes: readonly LiveNode[]): Finding[] {
  const slow = nodes.filter(({ state }) => state === 'slow').map(({ name }) => name)
  const online = nodes.filter(({ state }) => state !== 'offline').length
  return [
    ok('nodes', `${online} connected, ${nodes.length - online} not`),
    ...(slow.length === 0
      ? []
      : [
          warn(
            'nodes',
            `do not read what they are sent: ${slow.slice(0, 5).join(', ')}`,
            'look for a blocked event loop there',
          ),
        ]),
  ]
}

/** Only what passed while this looked: the mediator keeps no list of keys, and knows nothing of their age. */
function ofKeys(nodes: readonly LiveNode[]): Finding[] {
  const byKey = new Map<string, number>()
  for (const { keyIds } of nodes) for (const id of keyIds) byKey.set(id, (byKey.get(id) ?? 0) + 1)
  if (byKey.size === 0) return [ok('keys', 'no sealed frame passed while this looked')]
  const text = `seen just now: ${[...byKey].map(([id, count]) => `${id} (${count} nodes)`).join(', ')}`
  return byKey.size === 1
    ? [ok('keys', text)]
    : [warn('keys', text, 'several keys are in use: finish the rotation, or they are keys of groups')]
}
