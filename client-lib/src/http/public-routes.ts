import { parseExposed, SealwayError } from '@sealway/protocol'

/**
 * Paths that two programs may read differently: `.`, `..` and empty segments, and what an app may decode into a slash or
 * a dot. None of them is public, whatever was declared.
 */
const ambiguous = /\.\.|\/\.(?:\/|$)|\/\/|\\|%2f|%5c|%2e|%00/i

/**
 * Which requests are for anybody: `GET /health`, which takes HEAD along, `/assets/*`. As the mediator reads what a node
 * exposes as public.
 * @throws SealwayError `INVALID_ARGUMENT`, naming the route
 */
export function publicRoutes(routes: readonly string[]): (method: string, target: string) => boolean {
  const parsed = parse(routes).map((route) => {
    const space = route.indexOf(' ')
    const path = route.slice(space + 1)
    const prefix = path.endsWith('*')
    return { method: space < 0 ? undefined : route.slice(0, space), path: prefix ? path.slice(0, -1) : path, prefix }
  })
  return (method, target) => {
    const [path = ''] = target.split('?', 1)
    if (ambiguous.test(path)) return false
    return parsed.some(
      (route) =>
        (route.method === undefined || route.method === method || (route.method === 'GET' && method === 'HEAD')) &&
        (route.prefix ? path.startsWith(route.path) : path === route.path),
    )
  }
}

function parse(routes: readonly string[]): readonly string[] {
  try {
    return parseExposed({ public: routes }).public
  } catch (cause) {
    const message = (cause as Error).message.replace('http.public', 'public')
    throw new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client', cause })
  }
}
