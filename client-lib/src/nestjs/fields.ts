/** Deeper values are left to the node, which refuses them. */
const maxDepth = 512

/**
 * Instances of classes as their enumerable fields: apps on Nest send entities and DTOs, and Nest's own transports carry
 * them so. A node would refuse them (docs/values.md).
 */
export const fieldsOf = (value: unknown): unknown => copyOf(value, new Map(), 0)

/** @param copies by what they are of, so that a circle stays one, and is refused as one */
function copyOf(value: unknown, copies: Map<object, unknown>, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > maxDepth) return value
  if (!Array.isArray(value) && !hasFields(value)) return value
  const known = copies.get(value)
  if (known !== undefined) return known
  // Without a prototype a field named __proto__ is a field.
  const copy = Array.isArray(value) ? new Array(value.length) : Object.create(null)
  copies.set(value, copy)
  for (const key of Object.keys(value)) copy[key] = copyOf(value[key as never], copies, depth + 1)
  return copy
}

/** Dates, maps and bytes have tags of their own; an iterable would lose its items. */
const hasFields = (value: object): boolean =>
  Object.prototype.toString.call(value) === '[object Object]' &&
  typeof (value as { toJSON?: unknown }).toJSON !== 'function' &&
  !(Symbol.iterator in value)
