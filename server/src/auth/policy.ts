import type { Hello } from '@sealway/protocol'
import type { Identity } from './authenticator.js'
import { allows, parseScope } from './scopes.js'

/** Where something is about to be sent; `groups` are those of the node that would receive. */
export type SendTarget =
  | { readonly type: 'node'; readonly name: string; readonly groups: readonly string[] }
  | { readonly type: 'any' | 'group'; readonly group: string }

/** Who may do what on a link: the scopes of SEMANTICS.md ("Identity"), asked in the relay's words. */
export interface Policy {
  mayRegister(identity: Identity, hello: Hello): boolean
  /** @param within groups that the sender is in or reaches */
  maySend(identity: Identity, within: readonly string[], target: SendTarget): boolean
  /** Whether it may see who is in a group. */
  maySee(identity: Identity, within: readonly string[], group: string): boolean
}

export const scopePolicy: Policy = {
  mayRegister: (identity, { name = '', groups, reaches }) =>
    (groups.length > 0 || identity.subject === '*' || identity.subject === name) &&
    groups.every((group) => allows(identity, { type: 'register', name, group })) &&
    reaches.every((group) => mayReach(identity, group)),

  maySend(identity, within, target) {
    switch (target.type) {
      case 'node':
        return target.groups.some((group) => allows(identity, { type: 'send', group, name: target.name }, within))
      case 'any':
        return allows(identity, { type: 'send', group: target.group, name: '*' }, within)
      case 'group':
        return allows(identity, { type: 'broadcast', group: target.group }, within)
    }
  },

  maySee: (identity, within, group) =>
    within.includes(group) ||
    allows(identity, { type: 'send', group, name: '*' }, within) ||
    allows(identity, { type: 'admin', write: false }),
}

/** A token without scopes may name any group, as it may register in any; one with scopes needs one to send there. */
const mayReach = ({ scopes }: Identity, group: string): boolean =>
  scopes.length === 0 ||
  scopes.some((text) => {
    const scope = parseScope(text)
    return (scope?.type === 'send' || scope?.type === 'broadcast') && scope.group === group
  })
