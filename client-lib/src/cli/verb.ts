import type { Node } from '../node.js'
import type { FlagName } from './flags.js'

/** One command, once its node is connected. */
export interface Call {
  readonly node: Node
  /** The arguments before the body. */
  readonly args: readonly string[]
  readonly body: unknown
  readonly timeout: number
  /** Fires with Ctrl-C, SIGTERM, or when the program that started this one has ended. */
  readonly signal: AbortSignal
  /** Values of flags that are texts. */
  readonly text: (name: FlagName) => string | undefined
  readonly texts: (name: FlagName) => readonly string[]
  readonly has: (name: FlagName) => boolean
  /** Prints one result: as JSON with `--json`, else as text. */
  readonly print: (json: unknown, text: string) => void
}

export interface Verb {
  /** Behind the verb's name. Those that end with `[body]` take one. */
  readonly usage: string
  readonly summary: string
  /** What else its help says. */
  readonly notes?: string
  readonly flags: readonly FlagName[]
  /** Without the program's name and the verb. */
  readonly examples: readonly string[]
  /** The group that the first argument names, if it does. */
  readonly groupIn: (target: string) => string | undefined
  /** Whether the body is text, and never read as JSON. */
  readonly rawBody?: boolean
  /** Whether it must be a member of the group, and not only reach it. */
  readonly joins?: boolean
  /** @returns whether all of it was done */
  readonly run: (call: Call) => Promise<boolean>
}

/** Of an address: `any:orders`, `group:orders`. */
export const groupOfAddress = (address: string): string | undefined => /^(?:any|group):([^/]+)/.exec(address)?.[1]

/** As a value is shown to people. */
export const shown = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? null, null, 2)

/** Bytes have no form in JSON: base64. */
export const printable = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
