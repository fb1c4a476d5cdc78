import type { OpenPage } from './page.js'
import { openEdge } from './pages/edge.js'
import { openGroup } from './pages/group.js'
import { openHealth } from './pages/health.js'
import { openNode } from './pages/node.js'
import { openNodes } from './pages/nodes.js'
import { openTokens } from './pages/tokens.js'
import { openTopology } from './pages/topology.js'
import { openTraffic } from './pages/traffic.js'

export interface Route {
  /** As `/nodes/:name`. The mediator serves the same list (server/src/gateway/pages.ts). */
  readonly path: string
  readonly open: OpenPage
}

/** The pages that load more than the others are fetched when they are opened. */
export const routes: readonly Route[] = [
  { path: '/', open: openTopology },
  { path: '/nodes', open: openNodes },
  { path: '/nodes/:name', open: openNode },
  { path: '/groups/:name', open: openGroup },
  { path: '/edges/:from/:to', open: openEdge },
  { path: '/traffic', open: openTraffic },
  { path: '/try', open: async (context) => (await import('./pages/try-it.js')).openTryIt(context) },
  { path: '/tokens', open: openTokens },
  { path: '/health', open: openHealth },
  { path: '/charts', open: async (context) => (await import('./pages/charts.js')).openCharts(context) },
]

/** The first of them that a path means, and what stands in place of its names. */
export function match(path: string, table: readonly Route[] = routes) {
  const given = path.split('/')
  for (const route of table) {
    const parts = route.path.split('/')
    if (parts.length !== given.length) continue
    const params = new Map<string, string>()
    const fits = parts.every((part, at) => {
      if (!part.startsWith(':')) return part === given[at]
      const value = decode(given[at]!)
      if (value === undefined || value === '') return false
      params.set(part.slice(1), value)
      return true
    })
    if (fits) return { route, params }
  }
  return undefined
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

export const nodePath = (name: string): string => `/nodes/${encodeURIComponent(name)}`
export const groupPath = (name: string): string => `/groups/${encodeURIComponent(name)}`
export const edgePath = (from: string, to: string): string =>
  `/edges/${encodeURIComponent(from)}/${encodeURIComponent(to)}`
