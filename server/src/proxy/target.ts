import { isName } from '@sealway/protocol'

/** Whom a request is for, and what it asks of them. */
export interface Target {
  readonly mode: 'one' | 'any' | 'many'
  readonly group: string
  /** Only of `one`. */
  readonly node: string
  /** Path and query for the node, from `/` on, as they came. */
  readonly path: string
  /** What stands before it; undefined where the host says whom it is for. */
  readonly prefix: string | undefined
}

/** It is for HTTP by name, but names nobody. */
export type NoTarget = 'no-name'

/**
 * Reads `/one/<group>/<node>/<path>`, `/any/<group>/<path>` and `/many/<group>/<path>`. Nothing is decoded and no dot
 * segment is resolved: names have neither, and what follows them is the node's.
 * @returns undefined where the path is none of them
 */
export function readTarget(url: string): Target | NoTarget | undefined {
  const mode = modeOf(url)
  if (!mode) return url === '/one' || url === '/any' || url === '/many' ? 'no-name' : undefined
  const query = url.indexOf('?')
  const pathEnd = query < 0 ? url.length : query
  const groupAt = mode.length + 2
  const groupEnd = segmentEnd(url, groupAt, pathEnd)
  const group = url.slice(groupAt, groupEnd)
  if (!isName(group)) return 'no-name'
  if (mode !== 'one') return target(mode, group, '', url, groupEnd)
  const nodeEnd = segmentEnd(url, groupEnd + 1, pathEnd)
  const node = url.slice(groupEnd + 1, nodeEnd)
  return isName(node) ? target(mode, group, node, url, nodeEnd) : 'no-name'
}

function modeOf(url: string): Target['mode'] | undefined {
  if (url.startsWith('/one/')) return 'one'
  if (url.startsWith('/any/')) return 'any'
  return url.startsWith('/many/') ? 'many' : undefined
}

function segmentEnd(url: string, from: number, pathEnd: number): number {
  const slash = url.indexOf('/', from)
  return slash < 0 || slash > pathEnd ? pathEnd : slash
}

function target(mode: Target['mode'], group: string, node: string, url: string, end: number): Target {
  const rest = url.slice(end)
  return { mode, group, node, path: rest.startsWith('/') ? rest : `/${rest}`, prefix: url.slice(0, end) }
}

/**
 * Reads `<node>.<group>.<domain>`. Names with dots in them cannot be told apart here: they are reached by path.
 * @param domain lower case, without a dot before it
 * @returns undefined where the host is another one
 */
export function readHost(host: string, domain: string, url: string): Target | NoTarget | undefined {
  const colon = host.startsWith('[') ? -1 : host.indexOf(':')
  const name = (colon < 0 ? host : host.slice(0, colon)).toLowerCase()
  if (name.length <= domain.length || !name.endsWith(domain)) return undefined
  const at = name.length - domain.length - 1
  if (name[at] !== '.') return undefined
  const [node, group, ...more] = name.slice(0, at).split('.')
  if (more.length > 0 || !isName(node) || !isName(group)) return 'no-name'
  return { mode: 'one', group, node, path: url, prefix: undefined }
}
