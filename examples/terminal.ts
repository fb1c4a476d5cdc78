import type { Logger, Node } from '@sealway/client'

/** One line with the time of day. */
export function say(text: string): void {
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
}

/** What the library has to say about its link, for a reader at a terminal. A service would hand in its pino logger. */
export const logger: Logger = {
  debug() {},
  info: (_fields, message) => say(`- ${message}`),
  warn: (_fields, message) => say(`! ${message}`),
  error: (_fields, message) => say(`! ${message}`),
}

/** Ctrl-C and SIGTERM: finish what runs, say good-bye, and let the process end by itself. */
export function drainOnSignal(node: Node): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say(`${signal}: draining`)
      void node.drain()
    })
  }
}
