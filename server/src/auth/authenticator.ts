/** Who a verified token stands for. */
export interface Identity {
  /** `sub`: the node's name; `*` may register under any name. */
  readonly subject: string
  readonly tokenId: string
  /** Empty: the defaults of a node (register itself, send within its groups). */
  readonly scopes: readonly string[]
  /** ms since 1970. */
  readonly expiresAt: number
}

/** Decides whom a token stands for. Another one can be handed to `createMediator`. */
export interface Authenticator {
  /** @throws SealwayError `UNAUTHORIZED`, with one text whatever the reason; the reason is in `cause`, for the log only */
  verify(token: string): Identity
}
