/** W3C Trace Context, s3.2: version, trace id, parent id, flags; neither id may be all zeros, nor the version ff. */
const traceparentForm = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
/** W3C Baggage, s3.3.2: what everybody must let through, characters. */
const maxBaggage = 8_192

export const isTraceparent = (value: unknown): value is string =>
  typeof value === 'string' && traceparentForm.test(value)

/** Printable ASCII, as in a header of HTTP; what is inside is for whoever reads it. */
export const isBaggage = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= maxBaggage && /^[\x20-\x7e]+$/.test(value)
