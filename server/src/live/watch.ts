import type { FrameFilter, Topic, Watch } from './events.js'

const topics: ReadonlySet<unknown> = new Set<Topic>(['nodes', 'edges', 'frames', 'health'])
const fields = ['from', 'to', 'group', 'outcome'] as const
/** Longer than any address. */
const maxText = 100

/** What a client asks for; undefined where it is no such thing. */
export function readWatch(value: unknown): Watch | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { topics: asked, filter = {} } = value as { topics?: unknown; filter?: unknown }
  if (!Array.isArray(asked) || asked.length > topics.size || !asked.every((topic) => topics.has(topic))) {
    return undefined
  }
  const wanted = readFilter(filter)
  return wanted && { topics: asked as Topic[], filter: wanted }
}

function readFilter(value: unknown): FrameFilter | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const given = value as { readonly [field: string]: unknown }
  const filter: { [field: string]: string } = {}
  for (const field of fields) {
    const text = given[field]
    if (text === undefined || text === '') continue
    if (typeof text !== 'string' || text.length > maxText) return undefined
    filter[field] = text
  }
  return filter
}
