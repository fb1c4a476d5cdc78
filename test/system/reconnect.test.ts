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

beforeAll(build)
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
  /** Its place in the order of all that happened, once it was answered. */
  answered?: number
  outcome: 'pending' | 'ok' | 'not-delivered' | 'unknown'
  code: string | undefined
}

interface Note {
  readonly to: string
  readonly number: number
  /** When it was queued: its place in the order of all that happened. */
  readonly queued: number
}

/** One that calls and sends all the time, and notes what became of each. */
class Caller {
  readonly calls: Call[] = []
  readonly sent: Note[] = []
  /** When it was told that something did not arrive at a target: places in the order of all that happened. */
  readonly told = new Map<string, number[]>()
  private going = true
  private readonly work: Promise<unknown>[] = []

  constructor(
    readonly node: Node,
    private readonly targets: readonly string[],
    private readonly next: () => number,
  ) {
    node.events.on('dropped', ({ to }) => void this.told.set(to, [...(this.told.get(to) ?? []), next()]))
  }

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
        expect(await this.node.call(to, 'echo', call.number, { timeout: 60_000 })).toBe(call.number)
        call.outcome = 'ok'
        call.answered = this.next()
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
      this.sent.push({ to, number, queued: this.next() })
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  async end(): Promise<void> {
    this.going = false
    await Promise.all(this.work)
  }
}

/** Kills and starts the mediator again. @returns how long after it was ready everybody was back, ms */
async function restart(): Promise<number> {
  const back = nodes.map(
    (node) =>
      new Promise<number>((resolve) => {
        const off = node.events.on('connected', () => {
          off()
          resolve(performance.now())
        })
      }),
  )
  program!.signal('SIGKILL')
  await program!.ended
  await startMediator()
  const readyAt = performance.now()
  return Math.max(...(await Promise.all(back))) - readyAt
}

it('a mediator that is killed under traffic and started again loses what was in flight and nothing else', async () => {
  await startMediator()
  let number = 0
  const next = () => ++number
  const seen = new Map<string, number[]>()
  const handled = new Map<number, number>()
  const gaps: unknown[] = []
  const broken = new Map<string, number[]>()
  const watch = (node: Node) => {
    const breaks: number[] = []
    broken.set(node.name, breaks)
    node.events.on('disconnected', () => breaks.push(next()))
    return node
  }
  for (const transport of transports) {
    const node = watch(await join_(`callee-${transport}`, transport))
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
    callers.push(new Caller(watch(await join_(`caller-${transport}`, transport)), targets, next))
  }
  for (const caller of callers) caller.begin()
  const answered = (count: number) => () => callers.every(({ calls }) => calls.filter(isOk).length > count)
  await eventually(answered(100), 'traffic flows')

  const waits: number[] = []
  for (let round = 1; round <= 3; round++) {
    waits.push(await restart())
    const before = Math.max(...callers.map(({ calls }) => calls.filter(isOk).length))
    await eventually(answered(before + 100), 'traffic flows again')
  }
  await Promise.all(callers.map((caller) => caller.end()))
  process.stdout.write(`reconnect: all back ${waits.map(Math.round).join(', ')} ms after the mediator was ready\n`)

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
    callers.length * targets.length * 2 * waits.length,
  )

  // Notes: lost only where the way broke or their sender was told, and the others in order.
  let due = 0
  for (const caller of callers) {
    for (const [name, notes] of seen) {
      const mine = caller.sent.filter(({ to }) => to === name)
      const mustArrive = mine.filter((note) => hasPassed(note, caller, broken)).map(({ number }) => number)
      const lost = () => {
        const got = new Set(notes)
        return mustArrive.filter((note) => !got.has(note))
      }
      await eventually(() => lost().length === 0, 'the last notes arrive').catch(() => {})
      expect({ from: caller.node.name, to: name, lost: lost() }).toEqual({ from: caller.node.name, to: name, lost: [] })
      due += mustArrive.length
      const numbers = new Set(mine.map(({ number }) => number))
      const arrived = notes.filter((note) => numbers.has(note))
      expect(arrived).toEqual([...arrived].sort((a, b) => a - b))
      expect(new Set(arrived).size).toBe(arrived.length)
    }
  }
  expect(due).toBeGreaterThan(100)
  const total = callers.reduce((sum, { sent }) => sum + sent.length, 0)
  const arrived = [...seen.values()].reduce((sum, notes) => sum + notes.length, 0)
  process.stdout.write(
    `reconnect: ${calls.length} calls, ${failed.length} failed (${[...codes].join(', ')}); ${total} notes, ${total - arrived} lost; ${gaps.length} gap events\n`,
  )
})

/**
 * Whether a note has passed, told without a clock: a later call of its sender to the same target was answered, and in
 * between neither of their links broke nor was the sender told that something was dropped. What waited for its link to
 * come back is among these.
 */
function hasPassed({ to, number, queued }: Note, caller: Caller, broken: ReadonlyMap<string, readonly number[]>) {
  const later = caller.calls.find((call) => call.to === to && call.number > queued && call.answered !== undefined)
  if (later === undefined) return false
  const trouble = [broken.get(caller.node.name), broken.get(to), caller.told.get(to)].flatMap((at) => at ?? [])
  return !trouble.some((at) => at > number && at < later.answered!)
}

const isOk = ({ outcome }: Call): boolean => outcome === 'ok'

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
})
