import { SealwayError } from './errors.js'

declare const nodeName: unique symbol
declare const groupName: unique symbol
/** A node's unique name, checked by {@link parseName}. */
export type NodeName = string & { readonly [nodeName]: true }
/** A group's name; the same grammar as a node's. */
export type GroupName = string & { readonly [groupName]: true }

/** Where a message goes: exactly one node, one member of a group (balanced by the mediator), or every member. */
export type Address =
  | { readonly type: 'node'; readonly name: NodeName }
  | { readonly type: 'any'; readonly group: GroupName }
  | { readonly type: 'group'; readonly group: GroupName }

/** 1 to 64 characters: lower case letters, digits, and `.`, `_`, `-` inside (SPEC.md, "Names"). */
const nameForm = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/

export const isName = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= 64 && nameForm.test(text)

/** @throws SealwayError `INVALID_NAME`, saying what a name may contain. */
export function parseName(text: unknown, what = 'name'): NodeName {
  if (isName(text)) return text as NodeName
  throw new SealwayError('INVALID_NAME', {
    message: `${what} ${quote(text)} is not valid: 1 to 64 of a-z, 0-9 and (inside) . _ -`,
    outcome: 'not-delivered',
  })
}

export const parseGroup = (text: unknown): GroupName => parseName(text, 'group') as string as GroupName

/** Characters of what stands behind the group in a name that nobody chose. */
export const madeSuffixLength = 6

/** A name that nobody chose: `<group>-<suffix>`, as much of the group as there is room for. */
export const madeName = (group: string, suffix: string): NodeName =>
  parseName(`${group.slice(0, 64 - 1 - madeSuffixLength)}-${suffix}`)

/**
 * The name of a node that was given none: `<group>-<first 6 digits of its instance>`. Nobody asks for it once its process
 * has ended, so a mediator forgets it soon.
 */
export const nameOfProcess = (group: GroupName, instance: string): NodeName =>
  madeName(group, instance.slice(0, madeSuffixLength))

/**
 * Reads `orders-1` or `node:orders-1` (that node), `any:orders` (one member), `group:orders` (every member).
 * @throws SealwayError `INVALID_NAME`
 */
export function parseAddress(text: unknown): Address {
  if (typeof text !== 'string') throw invalidAddress(text)
  const colon = text.indexOf(':')
  if (colon < 0) return { type: 'node', name: parseName(text) }
  const rest = text.slice(colon + 1)
  switch (text.slice(0, colon)) {
    case 'node':
      return { type: 'node', name: parseName(rest) }
    case 'any':
      return { type: 'any', group: parseGroup(rest) }
    case 'group':
      return { type: 'group', group: parseGroup(rest) }
    default:
      throw invalidAddress(text)
  }
}

/** The canonical text, used on the wire and inside the flow key: a bare name, `any:<group>` or `group:<group>`. */
export function formatAddress(address: Address): string {
  return address.type === 'node' ? address.name : `${address.type}:${address.group}`
}

function invalidAddress(text: unknown): SealwayError {
  return new SealwayError('INVALID_NAME', {
    message: `address ${quote(text)} is not valid: a node's name, any:<group> or group:<group>`,
    outcome: 'not-delivered',
  })
}

/** Foreign text in a message: escaped and cut, so that it cannot forge a log line. Never throws, whatever it is given. */
export const quote = (text: unknown): string => {
  const kind = typeof text
  const shown =
    kind === 'string' ? JSON.stringify(text) : text !== null && kind === 'object' ? 'an object' : String(text)
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown
}
