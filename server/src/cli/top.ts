import { SealwayError } from '@sealway/protocol'
import { type Command, Option } from 'commander'
import type { Watch } from '../live/events.js'
import type { Io } from './io.js'
import { type LiveOptions, type LiveSocket, openFeed, untilStopped, withLiveOptions } from './live-feed.js'
import { Snapshot, type Sort, type View } from './snapshot.js'

interface Options extends LiveOptions {
  readonly sort: Sort
  readonly once?: boolean
  readonly json?: boolean
}

const everyMs = 1_000
/** How long the first figures may take, ms; they come once a second. */
const firstWithinMs = 10_000
const watch: Watch = { topics: ['nodes', 'edges', 'health'] }
/** Where nobody says how large the screen is. */
const usual = { rows: 24, columns: 120 }

const sorts: ReadonlyMap<string, Sort> = new Map([
  ['f', 'frames'],
  ['e', 'errors'],
  ['b', 'queue'],
  ['n', 'name'],
])
/** `q`, Ctrl-C and Ctrl-D end it. */
const quitKeys = ['q', 'Q', '\x03', '\x04']

const hintOf = (sort: Sort): string => `sorted by ${sort}; f frames  e errors  b bytes in queue  n name  q quit`

/** Home and clear what is below; hide and show the cursor; the other screen, so that the shell's stays as it was. */
const screen = { begin: '\x1b[?1049h\x1b[?25l', home: '\x1b[H\x1b[J', end: '\x1b[?25h\x1b[?1049l' }

export function addTop(program: Command, io: Io): void {
  withLiveOptions(program.command('top'))
    .description('Watch nodes, traffic and health of a running mediator, live')
    .addOption(new Option('--sort <column>', 'what to sort by').choices([...sorts.values()]).default('frames'))
    .option('--once', 'print once, with the rates of one second, and end')
    .option('--json', 'print JSON: one object a second, or one with --once')
    .addHelpText('after', '\nKeys: f, e, b and n sort by frames, errors, bytes in the queue and name; q ends it.')
    .action(async (options: Options) => {
      const socket = await openFeed(io, options)
      const snapshot = new Snapshot()
      snapshot.listen(socket)
      // After a restart of the mediator everything is asked for anew.
      socket.on('connect', () => socket.emit('watch', watch, () => {}))
      socket.emit('watch', watch, () => {})
      try {
        if (!(await snapshot.complete(socket, firstWithinMs))) {
          const message = `the mediator told nothing within ${firstWithinMs / 1_000} s`
          throw new SealwayError('TIMEOUT', { message, outcome: 'not-delivered' })
        }
        if (options.once) print(io, snapshot, options.json === true, { ...usual, rows: 1_000, sort: options.sort })
        else await show(io, socket, snapshot, options)
      } finally {
        socket.disconnect()
      }
    })
}

async function show(io: Io, socket: LiveSocket, snapshot: Snapshot, { json = false, sort }: Options): Promise<void> {
  const isScreen = !json && io.screen !== undefined
  if (isScreen) io.out(screen.begin)
  const onKey = isScreen ? io.onKey : undefined
  let sorted = sort
  const draw = (): void => {
    if (json) return io.out(`${JSON.stringify(snapshot.json())}\n`)
    const size = io.screen?.() ?? usual
    const away = socket.connected ? [] : ['the mediator is away; waiting for it (Ctrl-C ends this)', '']
    const lines = [
      ...away,
      ...snapshot.lines({
        ...{ ...size, rows: size.rows - away.length, sort: sorted },
        ...(onKey ? { hint: hintOf(sorted) } : {}),
      }),
    ]
    // One row more than fit would scroll the first ones away.
    if (isScreen) io.out(`${screen.home}${lines.slice(0, size.rows - 1).join('\n')}`)
    else io.out(`${lines.join('\n')}\n\n`)
  }
  draw()
  const timer = setInterval(draw, everyMs)
  let stopKeys = (): void => {}
  try {
    const quit = new Promise<void>((resolve) => {
      if (!onKey) return
      stopKeys = onKey((key) => {
        if (quitKeys.includes(key)) return resolve()
        sorted = sorts.get(key.toLowerCase()) ?? sorted
        draw()
      })
    })
    await Promise.race([untilStopped(io, socket), quit])
  } finally {
    clearInterval(timer)
    stopKeys()
    if (isScreen) io.out(screen.end)
  }
}

function print(io: Io, snapshot: Snapshot, json: boolean, size: View): void {
  if (json) io.out(`${JSON.stringify(snapshot.json(), null, 2)}\n`)
  else io.out(`${snapshot.lines(size).join('\n')}\n`)
}
