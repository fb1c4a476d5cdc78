import type { FetchInput } from './fetch.js'
import { type FetchOptions, headersOf, invalid } from './request.js'

export interface RequesterOptions extends FetchOptions {
  /** Exactly this node. */
  readonly node?: string | undefined
  /** One of this group, where no node is named. */
  readonly group?: string | undefined
  /** Path and query. Default: `/`. */
  readonly path?: string | undefined
}

/** Asks, with what differs from the defaults: a path; node and path; group, node and path; or any of the options. */
export interface Requester {
  (): Promise<Response>
  (path: string): Promise<Response>
  (node: string, path: string): Promise<Response>
  /** Without a node: one of the group. */
  (group: string, node: string | undefined, path: string): Promise<Response>
  (options: RequesterOptions): Promise<Response>
}

type Overrides = readonly [] | readonly [string | RequesterOptions] | readonly (string | undefined)[]

/** `node.createRequester`. */
export function requesterOf(
  fetch: (input: FetchInput, init: FetchOptions) => Promise<Response>,
  defaults: RequesterOptions,
): Requester {
  return async (...overrides: Overrides) => {
    const { node, group, path = '/', ...init } = merged(defaults, readOverrides(overrides))
    const to = node ?? (group === undefined ? undefined : `any:${group}`)
    if (to === undefined) throw invalid('a request needs a node or a group')
    return fetch(`${to}${path.startsWith('/') ? '' : '/'}${path}`, init)
  }
}

function readOverrides(overrides: Overrides): RequesterOptions {
  const [first, second, third] = overrides
  if (typeof first === 'object') return first
  switch (overrides.length) {
    case 0:
      return {}
    case 1:
      return { path: first }
    case 2:
      return { node: first, path: second as string }
    default:
      // Of this group, so the node of the defaults does not count.
      return { group: first, node: (second as string | undefined) ?? undefined, path: third as string }
  }
}

/** Headers come together, name by name; everything else is replaced. */
function merged(defaults: RequesterOptions, own: RequesterOptions): RequesterOptions {
  // Who names another group does not mean a node of the first one.
  const { node: _, ...others } = defaults
  const all = { ...(own.group === undefined ? defaults : others), ...own }
  if (defaults.headers === undefined || own.headers === undefined) return all
  const headers = headersOf(defaults.headers)
  for (const [name, value] of headersOf(own.headers)) headers.set(name, value)
  return { ...all, headers }
}
