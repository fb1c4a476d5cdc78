import type { Code, SealwayError, TrafficPolicy } from '@sealway/protocol'

/** What a node tells besides messages. */
export interface NodeEvents {
  /** Registered and ready, at first and again after each reconnect. */
  connected: { readonly mediator: string; readonly epoch: number; readonly transport: string }
  /** The link is gone; the library is coming back by itself unless `retryInMs` is absent. */
  disconnected: { readonly error: SealwayError; readonly retryInMs?: number }
  /** Frames of a sender to this node were lost on the way. */
  gap: { readonly from: string; readonly to: string; readonly missing: number }
  /**
   * A frame of this node went nowhere, or messages of it were not handled: what the mediator or the receiver said.
   * `messages` counts those that nobody waits for (`send`, `publish`, `broadcast` for a report); `by` is the receiver.
   */
  dropped: { readonly to: string; readonly code: Code; readonly messages?: number; readonly by?: string }
  /** Something arrived that was not handled. */
  refused: { readonly from: string; readonly code: Code | 'DUPLICATE' | 'LATE' }
  /**
   * A handler has not ended: a second after its caller stopped waiting (its place then goes to another), or 30 s after it
   * began, where nobody waits. `afterMs`: since it began.
   */
  overdue: { readonly action: string; readonly from: string; readonly afterMs: number }
  /** A circuit breaker has changed: `open` fails calls to this target at once, `half-open` lets some try. */
  circuit: { readonly target: string; readonly action?: string; readonly state: 'closed' | 'open' | 'half-open' }
  /** A call failed and is made again. */
  retry: { readonly to: string; readonly action: string; readonly error: SealwayError; readonly inMs: number }
  /** The mediator's policies for traffic are others now. */
  policies: { readonly central: readonly TrafficPolicy[] }
  /** A handler crashed, or an answer could not be encoded. Of an app that was exposed: `GET /path`, `from` empty if unknown. */
  handlerError: { readonly action: string; readonly from: string; readonly error: unknown }
}

type Listener<T> = (event: T) => void

/** Typed listeners, a list for each event. A listener that throws is reported to the log and to nobody else. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>()

  constructor(private readonly onListenerError: (error: unknown) => void) {}

  /** @returns a function that takes the listener off again */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.listeners.get(name) ?? new Set()
    this.listeners.set(name, listeners.add(listener as Listener<never>))
    return () => void listeners.delete(listener as Listener<never>)
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) this.tell(listener as Listener<Events[Name]>, event)
  }

  /** One listener, who may throw. @internal */
  tell<Event>(listener: Listener<Event>, event: Event): void {
    try {
      listener(event)
    } catch (error) {
      this.onListenerError(error)
    }
  }
}
