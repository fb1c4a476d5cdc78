/**
 * A link over plain requests (SPEC.md, "How a link begins"), for networks where neither an upgrade nor WebSocket passes.
 * Each direction is one stream of bytes that is counted from 0, so that whatever a broken connection leaves in doubt is
 * sent again, and taken once.
 */
export const HttpLinkHeader = {
  /** Which link: 32 random bytes in base64url, known to its node and its mediator only. */
  link: 'sealway-link',
  /** Where in its direction the body begins, bytes; in the answer to a POST: how many were taken until now. */
  offset: 'sealway-offset',
  /** How many bytes its sender has read of the other direction. */
  read: 'sealway-read',
  /** In an answer: the mediator's direction ends with it. */
  end: 'sealway-end',
} as const

/** 32 bytes of base64url without padding. */
export const linkIdForm = /^[A-Za-z0-9_-]{43}$/

/** How long a poll waits for bytes, ms: under the shortest idle cut we promise to survive, 30 s. */
export const httpPollMs = 20_000
/** Body of one answer to a poll, and of one POST of ours, bytes. */
export const maxHttpPieceBytes = 1024 * 1024
/** What may be on the way to a reader of server-sent events that has not said that it read it, bytes. */
export const httpWindowBytes = 256 * 1024

/** A count of bytes in a header. Undefined: it is none. */
export const parseOffset = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
