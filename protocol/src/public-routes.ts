import type { Exposed } from './exchange.js'

/** What a switch of protocols is called in a public route; no request has this method. */
export const upgradeMethod = 'UPGRADE'

interface PublicRoute {
  /** Undefined: any. */
  readonly method: string | undefined
  readonly path: string
  /** `path` is how it begins. */
  readonly prefix: boolean
}

/**
 * Paths that two programs may read differently: `..`, `.` and empty segments, and what an app may decode into a slash or
 * a dot. None of them is public, whatever was declared.
 */
const ambiguous = /\.\.|\/\.(?:\/|$)|\/\/|\\|%2f|%5c|%2e|%00/i

/**
 * Which requests are for anybody, as nodes declared it: `GET /health`, which takes HEAD along, `/assets/*`. A switch to
 * another protocol is only where a route says so, `UPGRADE /live`: after it nobody looks at what is asked. The mediator
 * asks before it wants a token, a node before it wants a seal: they must not differ.
 */
export class PublicRoutes {
  /** By what was declared: a new declaration is a new object. */
  private readonly parsed = new WeakMap<Exposed, readonly PublicRoute[]>()

  /**
   * @param method `UPGRADE` for a request that switches protocols
   * @param target path and query, as the node will see them
   */
  allows(exposed: Exposed, method: string, target: string): boolean {
    if (exposed.public.length === 0) return false
    const query = target.indexOf('?')
    const path = query < 0 ? target : target.slice(0, query)
    if (ambiguous.test(path)) return false
    for (const route of this.routesOf(exposed)) {
      if (!takes(route.method, method)) continue
      if (route.prefix ? path.startsWith(route.path) : path === route.path) return true
    }
    return false
  }

  private routesOf(exposed: Exposed): readonly PublicRoute[] {
    let routes = this.parsed.get(exposed)
    if (!routes) {
      routes = exposed.public.map(parse)
      this.parsed.set(exposed, routes)
    }
    return routes
  }
}

function parse(text: string): PublicRoute {
  const space = text.indexOf(' ')
  const path = text.slice(space + 1)
  const prefix = path.endsWith('*')
  return {
    method: space < 0 ? undefined : text.slice(0, space),
    path: prefix ? path.slice(0, -1) : path,
    prefix,
  }
}

function takes(declared: string | undefined, method: string): boolean {
  if (method === upgradeMethod || declared === upgradeMethod) return declared === method
  return declared === undefined || declared === method || (declared === 'GET' && method === 'HEAD')
}
