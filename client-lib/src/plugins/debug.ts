import { quote } from '@sealway/protocol'
import type { Handled } from '../messaging/hooks.js'
import { messageOf } from '../messaging/thrown.js'
import type { Plugin } from '../node.js'

export interface DebugOptions {
  /** Where a line goes. Default: console.log. */
  readonly print?: (line: string) => void
  /** Whether `debug.kaboom` makes a handler crash on purpose, to see what that does. Default: true. */
  readonly kaboom?: boolean
}

/** Prints each command when it is done: who sent what, how large it was, how long it took, and what became of it. */
export function debug({ print = console.log, kaboom = true }: DebugOptions = {}): Plugin {
  return {
    name: 'debug',
    install: (node) => {
      if (!kaboom) return
      node.on('debug.kaboom', () => {
        throw new Error('kaboom')
      })
    },
    after: ({ action, key, bodyBytes }, { from, to }, handled) => {
      const ms = handled.durationMs.toFixed(1)
      print(`${key} ${plain(action)} from ${from} to ${to}, ${bodyBytes} B, ${ms} ms: ${endOf(handled)}`)
    },
  }
}

function endOf(handled: Handled): string {
  switch (handled.type) {
    case 'answered':
      return 'answered'
    case 'failed':
      return `failed ${plain(handled.error.code)}`
    case 'crashed':
      return `crashed ${quote(messageOf(handled.error))}`
    case 'refused':
      return `refused ${handled.error.code}`
    case 'broken':
      return `broken ${handled.error.code}`
  }
}

/** Names come from outside: what could move a terminal's cursor or begin a line is escaped. */
const plain = (name: string): string => (/^[\w.:-]+$/.test(name) ? name : quote(name))
