import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Express, Request, Response } from 'express'

/** What a file is, by its ending. Others are not part of a built dashboard. */
const types: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Addresses of the dashboard's pages; they are told apart in the page itself. */
const pagePaths = [
  ...['/', '/login', '/nodes', '/nodes/:name', '/groups/:name', '/edges/:from/:to'],
  ...['/traffic', '/try', '/tokens', '/health', '/charts'],
]

/**
 * Scripts and styles of our own only, connections to this listener only, no form that is sent anywhere, and text from
 * outside can become no markup, whatever a script does with it.
 */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

interface PageFile {
  readonly type: string
  readonly plain: Buffer
  /** As `br` and `gzip`, where the build made them. */
  readonly packed: ReadonlyMap<string, Buffer>
}

/** The built dashboard, in memory: nothing of a request ever becomes a path of the file system. */
export class Pages {
  private readonly assets: ReadonlyMap<string, PageFile>
  private readonly page: PageFile

  private constructor(folder: string) {
    this.page = readPageFile(join(folder, 'index.html'))
    const names = readdirSync(join(folder, 'assets')).filter((name) => extname(name) in types)
    this.assets = new Map(names.map((name) => [name, readPageFile(join(folder, 'assets', name))]))
  }

  /** Undefined where no dashboard was built. */
  static in(folder: string): Pages | undefined {
    return existsSync(join(folder, 'index.html')) ? new Pages(folder) : undefined
  }

  /** For everybody: there is nothing in them but what asks for the password. */
  mount(app: Express): void {
    app.get(pagePaths, (request: Request, response: Response) => {
      response.set({
        'content-security-policy': pagePolicy,
        'cross-origin-opener-policy': 'same-origin',
        'permissions-policy': 'camera=(), geolocation=(), microphone=()',
      })
      send(request, response, this.page)
    })
    app.get('/assets/:name', (request: Request, response: Response, next) => {
      const file = this.assets.get(String(request.params.name))
      if (!file) return next()
      // Their names hold a hash of what they hold.
      response.set('cache-control', 'public, max-age=31536000, immutable')
      send(request, response, file)
    })
  }
}

function readPageFile(path: string): PageFile {
  const packed = [
    ['br', `${path}.br`],
    ['gzip', `${path}.gz`],
  ] as const
  return {
    type: types[extname(path)]!,
    plain: readFileSync(path),
    packed: new Map(packed.flatMap(([coding, file]) => (existsSync(file) ? [[coding, readFileSync(file)]] : []))),
  }
}

function send(request: Request, response: Response, { type, plain, packed }: PageFile): void {
  // The smallest first, whatever order a browser names them in.
  const coding = [...packed.keys()].find((one) => request.acceptsEncodings(one) === one)
  const bytes = coding === undefined ? plain : packed.get(coding)!
  if (coding !== undefined) response.set('content-encoding', coding)
  response.set({ 'content-type': type, vary: 'accept-encoding', 'content-length': String(bytes.length) }).end(bytes)
}
