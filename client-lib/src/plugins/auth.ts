import type { Context } from '../messaging/delivery.js'
import type { Middleware } from '../messaging/middleware.js'
import type { Plugin } from '../node.js'

/** Who is logged in on a sender's link. */
export interface User {
  readonly name: string
  readonly roles?: readonly string[]
  /** From then on the login counts no more; ms since 1970. */
  readonly expiresAt?: number
  readonly [more: string]: unknown
}

export interface AuthOptions {
  /** Whose token that is; undefined where it is nobody's. What it throws is a crash of `auth.login`. */
  readonly verify: (token: string, context: Context) => User | undefined | Promise<User | undefined>
}

const userKey = Symbol('user')

/**
 * Logs users in on the link of the node that sends for them: `auth.login` with `{ token }`, answered with name and roles,
 * and `auth.logout`. A login ends with the link of its sender, or of this node, and with a login that fails.
 * It comes on top of the seal, which has said already which node it is.
 */
export function auth({ verify }: AuthOptions): Plugin {
  return {
    name: 'auth',
    install: (node) => {
      // One login of a sender after the other, so that the last one sent is the one that counts.
      node.on<{ token?: unknown } | undefined>('auth.login', { concurrency: 1 }, async ({ body }, ctx) => {
        const { link } = ctx
        link.delete(userKey)
        const token = body?.token
        const user = typeof token === 'string' && token !== '' ? await verify(token, ctx) : undefined
        if (!user || link.ended) throw ctx.fail('UNAUTHENTICATED')
        link.set(userKey, user)
        return { name: user.name, roles: user.roles ?? [] }
      })
      node.on('auth.logout', (_command, { link }) => void link.delete(userKey))
    },
  }
}

/** Who is logged in on the link that a message came from. */
export function userOf(context: Context, now: number = Date.now()): User | undefined {
  const user = context.link.get(userKey) as User | undefined
  return user?.expiresAt !== undefined && user.expiresAt <= now ? undefined : user
}

/**
 * Lets through only who is logged in, and has the role if one is given; the others get the expected error
 * `UNAUTHENTICATED` or `FORBIDDEN`.
 */
export function requires(role?: string, { clock = Date.now }: { readonly clock?: () => number } = {}): Middleware {
  return (_command, ctx, next) => {
    const user = userOf(ctx, clock())
    if (!user) throw ctx.fail('UNAUTHENTICATED')
    if (role !== undefined && !user.roles?.includes(role)) throw ctx.fail('FORBIDDEN', { role })
    return next()
  }
}
