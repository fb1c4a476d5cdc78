import { SealwayError } from '@sealway/protocol'
import type { Emitter, NodeEvents } from './events.js'
import type { Handlers } from './handlers.js'
import type { PluginHooks } from './hooks.js'
import type { Senders } from './sending.js'

export interface PluginsParts {
  readonly handlers: Handlers
  readonly senders: Senders
  readonly events: Emitter<NodeEvents>
  /** The link of now, which a plugin is told of that comes later. */
  readonly connection: () => NodeEvents['connected'] | undefined
}

/** What was added to a node, each once. */
export class Plugins {
  private readonly names = new Set<string>()
  private readonly parts: PluginsParts

  constructor(parts: PluginsParts) {
    this.parts = parts
  }

  /**
   * @param install runs before anything is hung on the node
   * @throws SealwayError `INVALID_ARGUMENT` where a plugin of this name is in use already; whatever `install` throws
   */
  add(plugin: PluginHooks, install: () => void): void {
    const { handlers, senders, events } = this.parts
    const name: unknown = plugin?.name
    if (typeof name !== 'string' || name === '' || this.names.has(name)) {
      const message = `a plugin needs a name, and each is used once: ${JSON.stringify(name)}`
      throw new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
    }
    install()
    this.names.add(name)
    if (plugin.before) handlers.before(undefined, (command, context) => plugin.before!(command, context))
    if (plugin.after) handlers.after(undefined, (command, context, handled) => plugin.after!(command, context, handled))
    if (plugin.connect) this.connect((event) => plugin.connect!(event))
    if (plugin.disconnect) events.on('disconnected', (event) => plugin.disconnect!(event))
    if (plugin.error) events.on('handlerError', (event) => plugin.error!(event))
    if (plugin.around) handlers.around((command, context, next) => plugin.around!(command, context, next))
    if (plugin.sending) senders.add((sending, next) => plugin.sending!(sending, next))
  }

  private connect(told: (event: NodeEvents['connected']) => void): void {
    const { events, connection } = this.parts
    events.on('connected', told)
    const now = connection()
    if (now) events.tell(told, now)
  }
}
