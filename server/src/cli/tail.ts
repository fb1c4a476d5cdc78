import { isCode, quote } from '@sealway/protocol'
import type { Command } from 'commander'
import type { LiveFrame, Watch } from '../live/events.js'
import { UsageError } from './failure.js'
import type { Io } from './io.js'
import { type LiveOptions, openFeed, untilStopped, withLiveOptions } from './live-feed.js'
import { bytes, milliseconds } from './snapshot.js'

interface Options extends LiveOptions {
  readonly from?: string
  readonly to?: string
  readonly group?: string
  readonly outcome?: string
  readonly limit?: string
  readonly json?: boolean
}

export function addTail(program: Command, io: Io): void {
  withLiveOptions(program.command('tail'))
    .description('Print frames as they pass a running mediator: who, where to, how large, what became of them')
    .option('--from <name>', 'sent by this node; orders-* is every node whose name begins so')
    .option('--to <address>', 'to this node, or address; the same form')
    .option('--group <group>', 'to this group, or from or to a node in it')
    .option('--outcome <code>', 'DELIVERED, or a code of docs/errors.md')
    .option('--limit <count>', 'end after so many')
    .option('--json', 'print one JSON object a line')
    .action((options: Options) => tail(io, options))
}

async function tail(io: Io, options: Options): Promise<void> {
  let left = limitOf(options.limit)
  const watch: Watch = { topics: ['frames'], filter: filterOf(options) }
  const socket = await openFeed(io, options)
  const enough = new Promise<void>((resolve) => {
    socket.on('frames', ({ frames, skipped }) => {
      for (const frame of frames) {
        if (left-- <= 0) break
        io.out(`${options.json ? JSON.stringify(metadataOf(frame)) : lineOf(frame)}\n`)
      }
      if (left <= 0) resolve()
      else if (skipped > 0) io.err(`${skipped} more were not listed\n`)
    })
  })
  socket.on('missed', ({ rounds }) => io.err(`${rounds} rounds were missed: this terminal is too slow\n`))
  socket.on('disconnect', (reason) => {
    if (reason !== 'io client disconnect') io.err('the mediator is away; waiting for it\n')
  })
  socket.on('connect', () => {
    io.err('the mediator is back\n')
    socket.emit('watch', watch, () => {})
  })
  socket.emit('watch', watch, () => {})
  try {
    await Promise.race([enough, untilStopped(io, socket)])
  } finally {
    socket.disconnect()
  }
}

/** The bytes stay with the mediator: whoever pipes this into a file keeps no ciphertext. */
const metadataOf = ({ sealed: _sealed, ...metadata }: LiveFrame): object => metadata

const lineOf = ({ at, from, to, taker, bytes: size, outcome, ms }: LiveFrame): string => {
  const target = taker === null || taker === to ? to : `${to} (${taker})`
  return `${new Date(at).toISOString().slice(11, 23)} ${from} -> ${target}  ${bytes(size)}  ${outcome}  ${milliseconds(ms)}`
}

const filterOf = ({ from, to, group, outcome }: Options) => {
  if (outcome !== undefined && outcome !== 'DELIVERED' && !isCode(outcome)) {
    throw new UsageError(`--outcome ${quote(outcome)} is neither DELIVERED nor a code of docs/errors.md`)
  }
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(group === undefined ? {} : { group }),
    ...(outcome === undefined ? {} : { outcome }),
  }
}

function limitOf(limit: string | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new UsageError(`--limit ${quote(limit)} is not a number above 0`)
  return Number(limit)
}
