import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { HeldNode, type NodeOptions } from '../held-node.js'
import type { ExposeOptions } from '../http/expose.js'
import { askerOf, type SealwayAsker } from '../http/request.js'
import type { Node } from '../node.js'
import type { ConnectOptions } from '../options.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The node, connected. */
    readonly sealway: Node
  }
  interface FastifyRequest {
    /** Who asks, where the request came by name through Sealway, and not over a port of the app's own. */
    readonly sealway: SealwayAsker | undefined
  }
}

export type SealwayPluginOptions = NodeOptions & {
  /** How the app is exposed by the node's name; false: not at all. Default: all routes need a token. */
  readonly expose?: ExposeOptions | false
}

/** Below the 10 s that Fastify gives a plugin, so that what is wrong is said by name; ms. */
const connectTimeoutMs = 8_000

/**
 * Fastify's plugin: `app.register(sealway, { name, groups })`. Connects while the app starts, exposes the app by the node's
 * name as soon as all its routes are there, and drains the node when the app closes. It need not listen on a port.
 * @throws as `connect` and `expose` of the library, out of `app.ready()`
 */
export const sealway: FastifyPluginAsync<SealwayPluginOptions> = Object.assign(plugin, {
  // As fastify-plugin does it: what is decorated here is there for the whole app, and not below this plugin only.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@sealway/client',
  [Symbol.for('plugin-meta')]: { name: '@sealway/client', fastify: '5.x' },
})

async function plugin(app: FastifyInstance, { expose = {}, ...options }: SealwayPluginOptions): Promise<void> {
  const held = new HeldNode('node' in options ? options : { timeout: connectTimeoutMs, ...withoutFastifys(options) })
  const node = await held.get()
  app.decorate('sealway', { getter: () => node })
  app.decorateRequest('sealway', {
    getter(this: FastifyRequest) {
      return askerOf(this.raw)
    },
  })
  let close = (): void => {}
  if (expose) {
    app.addHook('onReady', async () => {
      const exposure = node.expose(app, expose)
      close = exposure.close
      await exposure.ready
    })
  }
  // Before the app's own servers are closed: what came by name is finished while all that it needs is still there.
  app.addHook('preClose', async () => {
    if (held.shared) close()
    await held.release()
  })
}

/** What `register` itself takes beside the options of a plugin. */
function withoutFastifys(options: ConnectOptions): ConnectOptions {
  const { prefix, logLevel, logSerializers, ...own } = options as ConnectOptions & { [name: string]: unknown }
  return own as ConnectOptions
}
