import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node, type SealwayError } from '@sealway/client'
import { mintedBy } from '../../client-lib/src/session/token'
import { build, freePort, type Program, repositoryRoot, startProgram } from '../support/program'
import { eventually } from '../support/until'

const secret = randomBytes(32).toString('base64url')
const keys = `mk1_${randomBytes(32).toString('base64url')}`
const transports = ['tcp', 'ipc', 'ws', 'http'] as const

let folder: string
let port: number
let program: Program | undefined
const nodes: Node[] = []

beforeAll(build, 120_000)
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-reconnect-'))
  port = await freePort()
})
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()))
  program?.signal('SIGKILL')
  await program?.ended
  rmSync(folder, { recursive: true, force: true })
})

async function startMediator(): Promise<void> {
  program = startProgram([join(repositoryRoot, 'server/dist/main.js'), 'start'], {
    cwd: folder,
    env: {
      PORT: String(port),
      ADMIN_PORT: '0',
      IPC_PATH: join(folder, 's'),
      DATABASE_URL: 'sqlite:./registry.sqlite',
      PROTECTED_BASIC_AND_JWT: secret,
      PROTECTED_ADMIN_PASSWORD: 'an-operator-of-the-test',
      // Nodes come back at once after a drain.
      LIMIT_GOAWAY_SPREAD: '100ms',
    },
  })
  await program.saw(/is running/)
}

const urlOf = (transport: (typeof transports)[number]): string =>
  transport === 'ipc'
    ? `unix:${join(folder, 's')}`
    : `${{ tcp: 'http', ws: 'ws', http: 'sealway+http' }[transport]}://127.0.0.1:${port}`

async function join_(name: string, transport: (typeof transports)[number]): Promise<Node> {
  const node = await connect(urlOf(transport), {
    name,
    groups: ['g'],
    keys,
    token: mintedBy(secret, name, Date.now),
  })
  nodes.push(node)
  return node
}

interface Call {
  readonly to: string
  readonly number: number
  outcome: 'pending' | 'ok' | 'not-delivered' | 'unknown'
  code: string | undefined
}

/** One that calls and sends all the time, and notes what became of each. */
class Caller {
  readonly calls: Call[] = []
  readonly sent: { to: string; number: number; at: number }[] = []
  private going = true
  private readonly work: Promise<unknown>[] = []

  constructor(
    readonly node: Node,
    private readonly targets: readonly string[],
    private readonly next: () => number,
  ) {}

  begin(): void {
    for (const to of this.targets) {
      this.work.push(this.keepCalling(to))
      this.work.push(this.keepSending(to))
    }
  }

  private async keepCalling(to: string): Promise<void> {
    while (this.going) {
      const call: Call = { to, number: this.next(), outcome: 'pending', code: undefined }
      this.calls.push(call)
      try {
        expect(await this.node.call(to, 'echo', call.number, { timeout: 10_000 })).toBe(call.number)
        call.outcome = 'ok'
      } catch (error) {
        call.outcome = (error as SealwayError).outcome
        call.code = (error as SealwayError).code
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  private async keepSending(to: string): Promise<void> {
    while (this.going) {
      const number = this.next()
      await this.node.send(to, 'note', number)
      this.sent.push({ to, number, at: performance.now() })
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  async end(): Promise<void> {
    this.going = false
    await Promise.all(this.work)
  }
}

/** Kills and starts the mediator again. @returns when it was dead, when it was ready and when everybody was back, ms */
async function restart(): Promise<Outage> {
  const back = nodes.map(
    (node) =>
      new Promise<number>((resolve) => {
        const off = node.events.on('connected', () => {
          off()
          resolve(performance.now())
        })
      }),
  )
  const killedAt = performance.now()
  program!.signal('SIGKILL')
  await program!.ended
  await startMediator()
  const readyAt = performance.now()
  return { killedAt, readyAt, backAt: Math.max(...(await Promise.all(back))) }
}

it('a mediator that is killed under traffic and started again loses what was in flight and nothing else', async () => {
  await startMediator()
  let number = 0
  const next = () => ++number
  const seen = new Map<string, number[]>()
  const handled = new Map<number, number>()
  const gaps: unknown[] = []
  for (const transport of transports) {
    const node = await join_(`callee-${transport}`, transport)
    const notes: number[] = []
    seen.set(node.name, notes)
    node.on('echo', ({ body }) => {
      handled.set(body as number, (handled.get(body as number) ?? 0) + 1)
      return body
    })
    node.on('note', ({ body }) => void notes.push(body as number))
    node.events.on('gap', (event) => gaps.push(event))
  }
  const targets = [...seen.keys()]
  const callers: Caller[] = []
  for (const transport of transports) {
    callers.push(new Caller(await join_(`caller-${transport}`, transport), targets, next))
  }
  for (const caller of callers) caller.begin()
  const answered = (count: number) => () => callers.every(({ calls }) => calls.filter(isOk).length > count)
  await eventually(answered(100), 'traffic flows')

  const outages: Outage[] = []
  for (let round = 1; round <= 3; round++) {
    outages.push(await restart())
    const before = Math.max(...callers.map(({ calls }) => calls.filter(isOk).length))
    await eventually(answered(before + 100), 'traffic flows again')
  }
  await Promise.all(callers.map((caller) => caller.end()))
  await eventually(() => settled(callers, seen, outages), 'the last notes arrive', 2_000).catch(() => {})

  // Everybody is back promptly; the measured time is in the report of the run.
  const waits = outages.map(({ readyAt, backAt }) => Math.round(backAt - readyAt))
  process.stdout.write(`reconnect: all back ${waits.join(', ')} ms after the mediator was ready\n`)
  for (const wait of waits) expect(wait).toBeLessThan(5_000)

  const calls = callers.flatMap((caller) => caller.calls)
  // No call was answered that was not handled, none was handled twice, and what says `not-delivered` was not handled.
  for (const call of calls) {
    const times = handled.get(call.number) ?? 0
    expect(times).toBeLessThanOrEqual(1)
    if (call.outcome === 'ok') expect(times).toBe(1)
    if (call.outcome === 'not-delivered') expect({ ...call, times }).toEqual({ ...call, times: 0 })
  }
  const failed = calls.filter(({ outcome }) => outcome !== 'ok')
  const codes = new Set(failed.map(({ code }) => code))
  for (const code of codes) expect(['LINK_LOST', 'OFFLINE', 'PEER_GONE']).toContain(code)
  // Each of the loops can have had one call in flight per kill, and meet an absent target now and then.
  expect(failed.filter(({ outcome }) => outcome === 'unknown').length).toBeLessThanOrEqual(
    callers.length * targets.length * 2 * outages.length,
  )

  // Notes: in order, and lost only where they were on their way around an outage.
  for (const [name, notes] of seen) {
    for (const { node, sent } of callers) {
      const mine = sent.filter(({ to }) => to === name)
      const numbers = new Set(mine.map((note) => note.number))
      const arrived = notes.filter((note) => numbers.has(note))
      expect(arrived).toEqual([...arrived].sort((a, b) => a - b))
      expect(new Set(arrived).size).toBe(arrived.length)
      const got = new Set(arrived)
      const lost = mine.filter((note) => !got.has(note.number))
      const strays = lost.filter(({ at }) => !outages.some((outage) => mayBeLost(outage, at)))
      expect({ from: node.name, to: name, strays }).toEqual({ from: node.name, to: name, strays: [] })
    }
  }
  const total = callers.reduce((sum, { sent }) => sum + sent.length, 0)
  const arrived = [...seen.values()].reduce((sum, notes) => sum + notes.length, 0)
  process.stdout.write(
    `reconnect: ${calls.length} calls, ${failed.length} failed (${[...codes].join(', ')}); ${total} notes, ${total - arrived} lost; ${gaps.length} gap events\n`,
  )
}, 60_000)

interface Outage {
  readonly killedAt: number
  readonly readyAt: number
  readonly backAt: number
}

/** How long a node waits for its targets to come back, ms: on a machine that is slower, more is lost than in flight. */
const graceMs = 2_000

/** What was written just before the kill was in flight; what was sent in the outage itself has only waited. */
function mayBeLost({ killedAt, readyAt, backAt }: Outage, at: number): boolean {
  const until = backAt - readyAt < graceMs ? killedAt + 200 : backAt
  return at > killedAt - 200 && at < until
}

const isOk = ({ outcome }: Call): boolean => outcome === 'ok'

/** Whether all notes that were sent after the last outage have arrived. */
function settled(
  callers: readonly Caller[],
  seen: ReadonlyMap<string, readonly number[]>,
  outages: readonly Outage[],
): boolean {
  const last = outages.at(-1)!.backAt + 100
  const got = new Set([...seen.values()].flat())
  return callers.every(({ sent }) => sent.every(({ number, at }) => at < last || got.has(number)))
}

it('a mediator that is asked to stop lets calls in flight finish, ends with 0, and is found again', async () => {
  await startMediator()
  const [caller, callee] = [await join_('caller', 'tcp'), await join_('callee', 'ipc')]
  let finish: ((text: string) => void) | undefined
  callee.on('slow', () => new Promise<string>((resolve) => (finish = resolve)))
  callee.on('quick', () => 'quick')
  const slow = caller.call('callee', 'slow')
  await eventually(() => finish !== undefined, 'the handler runs')
  const stopped = program!.ended
  program!.signal('SIGINT')
  await program!.saw(/drain|finish|leav|stop/i).catch(() => {})
  finish!('slow')
  expect(await slow).toBe('slow')
  expect((await stopped).code).toBe(0)
  await startMediator()
  await eventually(() => caller.connected && callee.connected, 'both are back')
  expect(await caller.call('callee', 'quick')).toBe('quick')
}, 60_000)
