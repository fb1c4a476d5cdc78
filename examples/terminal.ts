import { type Logger, type Node, SealwayError } from '@sealway/client'

/** One line with the time of day. */
export function say(text: string): void {
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
}

/** What the library has to say about its link, for a reader at a terminal. A service would hand in its pino logger. */
export const logger: Logger = {
  debug() {},
  info: (fields, message) => sayOnce(`- ${nameIn(fields)}${message}`),
  warn: (fields, message) => sayOnce(`! ${nameIn(fields)}${message}`),
  error: (fields, message) => sayOnce(`! ${nameIn(fields)}${message}`),
}

/** The library says which node a line is about in a field. */
const nameIn = ({ node }: { readonly node?: unknown }): string => (typeof node === 'string' ? `${node} ` : '')

let last = ''

/** While the mediator is away each attempt says the same; once is enough. */
function sayOnce(text: string): void {
  if (text !== last) say(text)
  last = text
}

/** For a connection that will never be: a wrong secret, a name that another process holds. */
export function giveUp(error: unknown): never {
  if (!(error instanceof SealwayError)) throw error
  say(`! ${error.code}: ${error.message}`)
  process.exit(1)
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
