import { isName, quote, SealwayError } from '@sealway/protocol'
import type { Identity } from './authenticator.js'

/** What a token may do, as parsed from its text. A pattern is a name, or a prefix and `*`. */
export type Scope =
  | { readonly type: 'register'; readonly pattern: string; readonly group: string }
  | { readonly type: 'send'; readonly group: string; readonly pattern: string }
  | { readonly type: 'broadcast' | 'mailbox'; readonly group: string }
  | { readonly type: 'http'; readonly pattern: string }
  | { readonly type: 'admin'; readonly write: boolean }

/** What somebody is about to do. */
export type Need =
  | { readonly type: 'register'; readonly name: string; readonly group: string }
  | { readonly type: 'send'; readonly group: string; readonly name: string }
  | { readonly type: 'broadcast' | 'mailbox'; readonly group: string }
  | { readonly type: 'http'; readonly name: string }
  | { readonly type: 'admin'; readonly write: boolean }

/** More do not fit into a token of 4 KiB anyway. */
export const maxScopes = 128

/** No user's regular expression ever: a pattern is a name, or the beginning of one and `*`. */
const prefixForm = /^[a-z0-9][a-z0-9._-]{0,62}\*$/
const isPattern = (text: string): boolean => isName(text) || prefixForm.test(text)

/** Undefined: the text is none of the grammar's. */
export function parseScope(text: unknown): Scope | undefined {
  if (typeof text !== 'string' || text.length > 160) return undefined
  if (text === 'admin:read') return { type: 'admin', write: false }
  if (text === 'admin:write') return { type: 'admin', write: true }
  const colon = text.indexOf(':')
  const rest = text.slice(colon + 1)
  switch (text.slice(0, Math.max(colon, 0))) {
    case 'register': {
      const [pattern, group, ...more] = rest.split('@')
      return more.length === 0 && isPattern(pattern!) && isName(group)
        ? { type: 'register', pattern: pattern!, group }
        : undefined
    }
    case 'send': {
      const [group, pattern, ...more] = rest.split('/')
      if (more.length > 0 || !isName(group) || pattern === undefined) return undefined
      return pattern === '*' || isPattern(pattern) ? { type: 'send', group, pattern } : undefined
    }
    case 'broadcast':
      return isName(rest) ? { type: 'broadcast', group: rest } : undefined
    case 'mailbox':
      return isName(rest) ? { type: 'mailbox', group: rest } : undefined
    case 'http':
      return rest === '*' || isPattern(rest) ? { type: 'http', pattern: rest } : undefined
    default:
      return undefined
  }
}

/** Scopes of a node that is a member of a group. */
export const memberScopes = (name: string, group: string): string[] => [
  `register:${name}@${group}`,
  ...reachScopes(group),
  `mailbox:${group}`,
]

/** Scopes of a node that sends to a group without being a member. */
export const reachScopes = (group: string): string[] => [`send:${group}/*`, `broadcast:${group}`]

/** @throws SealwayError `MALFORMED`, naming the scope */
export function checkScopes(scopes: readonly string[]): void {
  if (scopes.length > maxScopes) throw malformed(`there are ${scopes.length} scopes; at most ${maxScopes} are allowed`)
  for (const scope of scopes) {
    if (!parseScope(scope)) throw malformed(`the scope ${quote(scope)} is not valid: ${grammar}`)
  }
}

export const grammar =
  'register:<name|prefix*>@<group>, send:<group>/<name|prefix*|*>, broadcast:<group>, mailbox:<group>, ' +
  'http:<name|prefix*|*>, admin:read or admin:write'

/**
 * Whether a token allows something.
 * @param ownGroups the groups of the node that acts: without scopes, it sends and broadcasts within them
 */
export function allows(identity: Identity, need: Need, ownGroups: readonly string[] = []): boolean {
  if (identity.scopes.length === 0) return allowsByDefault(identity, need, ownGroups)
  return identity.scopes.some((text) => {
    const scope = parseScope(text)
    return scope !== undefined && covers(scope, need)
  })
}

/** A node without scopes registers itself (under any name, where its token names none) and sends within its groups. */
function allowsByDefault(identity: Identity, need: Need, ownGroups: readonly string[]): boolean {
  switch (need.type) {
    case 'register':
      return identity.subject === '*' || identity.subject === need.name
    case 'send':
    case 'broadcast':
    case 'mailbox':
      return ownGroups.includes(need.group)
    case 'http':
    case 'admin':
      return false
  }
}

function covers(scope: Scope, need: Need): boolean {
  switch (scope.type) {
    case 'register':
      return need.type === 'register' && need.group === scope.group && matches(scope.pattern, need.name)
    case 'send':
      return need.type === 'send' && need.group === scope.group && matches(scope.pattern, need.name)
    case 'broadcast':
    case 'mailbox':
      return need.type === scope.type && need.group === scope.group
    case 'http':
      return need.type === 'http' && matches(scope.pattern, need.name)
    case 'admin':
      // Who may change may look.
      return need.type === 'admin' && (scope.write || !need.write)
  }
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name

const malformed = (message: string) => new SealwayError('MALFORMED', { message, outcome: 'not-delivered' })
