/** Every limit of SEMANTICS.md ("Limits"), with its unit. Each is a default that a setting can change, but the hard ones. */
export const limits = {
  /** Body of one frame, bytes. */
  maxFrameBytes: 1024 * 1024,
  /** No setting goes beyond this. */
  hardMaxFrameBytes: 16 * 1024 * 1024,
  /** Body of one frame before the hello was accepted, bytes. */
  maxFrameBytesBeforeHello: 8 * 1024,
  /** A token's length, bytes (RFC 8725 s3: bound everything read before verification). */
  maxTokenBytes: 4 * 1024,
  /** Groups of one node. */
  maxGroupsPerNode: 64,
  /** Endpoints of one node. */
  maxEndpointsPerNode: 32,
  /** Routes that one link may hold open. */
  maxRoutesPerLink: 8_192,
  /** Routes that one link may open in a second, on average; a link that opens more is read more slowly. */
  maxRouteOpensPerSecond: 2_000,

  /** What may wait in the mediator for one link: bytes and frames. */
  outboxBytes: 8 * 1024 * 1024,
  outboxFrames: 4_096,
  /** What one sender may have waiting for one target: a quarter of the outbox. It is the credit of a route. */
  routeWindowBytes: 2 * 1024 * 1024,
  routeWindowFrames: 1_024,
  /** All outboxes of a mediator together, bytes. */
  budgetBytes: 256 * 1024 * 1024,
  /** Oldest frame in an outbox, ms; then its reader is closed as slow. */
  slowReaderMs: 10_000,

  /** From accept to accepted hello, ms. */
  helloTimeoutMs: 5_000,
  /** 10 s: several pings fit under the shortest idle cut we promise to survive, 30 s. */
  pingEveryMs: 10_000,
  /** Nothing heard for this long: dead. */
  deadAfterMs: 25_000,
  /** Links that have not said hello; a new one takes the place of the oldest. */
  maxUnauthenticated: 200,
  maxUnauthenticatedPerAddress: 20,
  /** Links whose hello waits for the registry. */
  maxPendingHellos: 4_096,
  /** How long an incumbent is probed when another process claims its name, ms. */
  probeMs: 2_000,

  /** Longest time from the first signal to exit, ms. */
  drainMs: 25_000,
  /** Upper end of the random delay told to nodes when the mediator drains, ms. */
  goawaySpreadMs: 5_000,
  reconnectMinMs: 100,
  reconnectMaxMs: 30_000,

  /** Deadline of a call, ms: default and highest. */
  callTimeoutMs: 30_000,
  maxCallTimeoutMs: 15 * 60_000,
  /** Plaintext that the client library keeps for one target, bytes; above it `send` waits. */
  outletBytes: 4 * 1024 * 1024,
  /** The same for all targets of one node together, and of all nodes of one process. */
  nodeOutletBytes: 64 * 1024 * 1024,
  processOutletBytes: 256 * 1024 * 1024,
  /** Calls one node may have in flight. */
  maxPendingCalls: 65_536,
  /** Handlers running at once in one node, those of one action at most half of them; the next messages wait. */
  maxRunningHandlers: 2_048,
  /** Largest body of one message, bytes: above a frame it travels as a stream. */
  maxBodyBytes: 64 * 1024 * 1024,
  /** What one stream may have on the way and waiting for its reader, bytes. */
  streamCreditBytes: 256 * 1024,
  /** Streams that one node has open at once, whoever opened them. */
  maxStreams: 10_000,

  /** Start line and headers of one HTTP message, bytes, and headers in it (RELIABILITY.md, threat "smuggling"). */
  maxHeadBytes: 16 * 1024,
  maxHeaders: 100,
  /** Body bytes that one direction of an exchange may have on the way: its first grant. */
  exchangeWindowBytes: 256 * 1024,
  /** Exchanges open at once on one link. */
  maxExchangesPerLink: 1_024,
  /** Public routes that one node may declare. */
  maxPublicRoutes: 64,
} as const

export type Limits = { readonly [name in keyof typeof limits]: number }
