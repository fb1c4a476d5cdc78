import type { Code, SealwayError } from '@sealway/protocol'

/** What a page's node tells besides messages. */
export interface PageEvents {
  /** Registered and ready, at first and again after each reconnect. */
  connected: { readonly mediator: string; readonly epoch: number; readonly transport: string }
  /** The link is gone; the library is coming back by itself unless `retryInMs` is absent. */
  disconnected: { readonly error: SealwayError; readonly retryInMs?: number }
  /** Frames of a sender to this node were lost on the way. */
  gap: { readonly from: string; readonly to: string; readonly missing: number }
  /** A frame of this node went nowhere: what the mediator or the receiver said. */
  dropped: { readonly to: string; readonly code: Code }
  /** Something arrived that was not handled. */
  refused: { readonly from: string; readonly code: Code | 'DUPLICATE' | 'LATE' }
  /** A handler crashed, or an answer could not be encoded. */
  handlerError: { readonly action: string; readonly from: string; readonly error: unknown }
}
