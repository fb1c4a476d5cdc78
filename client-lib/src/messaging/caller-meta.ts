import { callerMeta } from './inherited.js'
import type { MetaOptions } from './meta.js'
import { isBaggage, isTraceparent } from './trace.js'

/**
 * Adds what came beside the message that is being handled: meta, trace and baggage flow on with all that its handler
 * sends, unless the sender says otherwise, field by field. Fields that begin with `$` are the library's own and stay.
 */
export function withCallerMeta(options: MetaOptions | undefined): MetaOptions | undefined {
  const above = callerMeta()
  if (above === undefined) return options
  const own = options?.meta
  // What is no object is refused where it is encoded.
  if (own !== undefined && (typeof own !== 'object' || own === null || Array.isArray(own))) return options
  const { traceparent, baggage } = above
  const fields = Object.entries(above).filter(([name]) => !isSpecial(name))
  const trace =
    options?.traceparent ?? (own?.traceparent === undefined && isTraceparent(traceparent) ? traceparent : undefined)
  const bag = options?.baggage ?? (own?.baggage === undefined && isBaggage(baggage) ? baggage : undefined)
  return {
    ...(own !== undefined || fields.length > 0 ? { meta: { ...Object.fromEntries(fields), ...own } } : {}),
    ...(trace === undefined ? {} : { traceparent: trace }),
    ...(bag === undefined ? {} : { baggage: bag }),
  }
}

const isSpecial = (name: string): boolean => name === 'traceparent' || name === 'baggage' || name.startsWith('$')
