import { parseGroup, SealwayError } from '@sealway/protocol'
import { type HttpTarget, parseTarget } from './address.js'
import { isReplayable } from './body.js'
import { type FetchInput, type FetchParts, follow, timeoutFor } from './fetch.js'
import { type FetchOptions, invalid, readWanted } from './request.js'

export interface FetchAllParts extends FetchParts {
  /** The other nodes of a group that are connected. */
  readonly members: (group: string, timeoutMs: number, signal: AbortSignal | undefined) => Promise<readonly string[]>
}

/** What one member of a group answered; either `response` or `error`. */
export type NodeAnswer = {
  /** Of the node. */
  readonly name: string
  /** From the request to the head of the answer, or to the error, ms. */
  readonly durationMs: number
} & (
  | { readonly response: Response; readonly error?: undefined }
  | { readonly response?: undefined; readonly error: SealwayError }
)

/** `node.fetchAll`: one request for each other member of a group. */
export async function fetchFromAll(
  parts: FetchAllParts,
  input: FetchInput,
  init: FetchOptions = {},
): Promise<NodeAnswer[]> {
  const wanted = readWanted(input, init)
  const target = parseTarget(wanted.url)
  if (target.to.startsWith('any:'))
    throw invalid(`fetchAll is to all of a group: group:${target.host}, not ${target.to}`)
  if (!isReplayable(wanted.body))
    throw invalid('a stream can be sent once: give fetchAll a body of text, bytes or a form')
  const group = parseGroup(target.host)
  const timeoutMs = timeoutFor(parts, `group:${group}`, init)
  const until = parts.timers.monotonic() + timeoutMs
  const names = await parts.members(group, timeoutMs, wanted.signal)
  const one = async (name: string): Promise<NodeAnswer> => {
    const began = parts.timers.monotonic()
    const durationMs = (): number => parts.timers.monotonic() - began
    const to: HttpTarget = { to: name, host: name, path: target.path }
    try {
      const response = await follow(parts, to, wanted, init, Math.max(1, until - began))
      return { name, response, durationMs: durationMs() }
    } catch (error) {
      if (!(error instanceof SealwayError)) throw error
      return { name, error, durationMs: durationMs() }
    }
  }
  return Promise.all(names.map(one))
}
