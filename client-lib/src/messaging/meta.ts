import { SealwayError } from '@sealway/protocol'
import { toJson } from './json.js'
import { isBaggage, isTraceparent } from './trace.js'

/** What can travel beside a body, sealed with it. */
export interface MetaOptions {
  /** Free data; with the trace at most 64 KiB as JSON. */
  readonly meta?: { readonly [name: string]: unknown }
  /** W3C Trace Context: the caller's span. */
  readonly traceparent?: string
  /** W3C Baggage. */
  readonly baggage?: string
}

/**
 * Of a stream: how long the one still waits for whom it was opened, ms. Fields that begin with `$` are the library's own.
 */
export const leftField = '$left'

/**
 * @param utf8 bytes of a text
 * @returns undefined where there is nothing to say
 * @throws SealwayError `INVALID_ARGUMENT`, `UNSERIALISABLE`, `TOO_LARGE`
 */
export function encodeMeta<T extends Uint8Array>(
  options: MetaOptions | undefined,
  utf8: (text: string) => T,
): T | undefined {
  if (options === undefined) return undefined
  const { meta, traceparent, baggage } = options
  if (meta === undefined && traceparent === undefined && baggage === undefined) return undefined
  if (meta !== undefined && (typeof meta !== 'object' || meta === null || Array.isArray(meta))) {
    throw refused('INVALID_ARGUMENT', 'meta must be an object')
  }
  if (traceparent !== undefined && !isTraceparent(traceparent)) {
    throw refused(
      'INVALID_ARGUMENT',
      'traceparent must have the form of W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>',
    )
  }
  if (baggage !== undefined && !isBaggage(baggage)) {
    throw refused('INVALID_ARGUMENT', 'baggage must be 1 to 8,192 printable ASCII characters (W3C Baggage)')
  }
  const all =
    traceparent === undefined && baggage === undefined
      ? meta
      : { ...meta, ...withoutUndefined({ traceparent, baggage }) }
  const bytes = utf8(toJson(all, 'meta'))
  if (bytes.length <= 0xffff) return bytes
  throw refused('TOO_LARGE', 'meta is over 64 KiB as JSON')
}

const withoutUndefined = (fields: { [name: string]: string | undefined }) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const refused = (code: 'INVALID_ARGUMENT' | 'TOO_LARGE', message: string) =>
  new SealwayError(code, { message, outcome: 'not-delivered', hop: 'client' })
