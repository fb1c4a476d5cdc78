import type { Hello } from '@sealway/protocol'
import type { Identity } from './authenticator.js'
import { allows } from './scopes.js'

/** Where something is about to be sent; `groups` are those of the node that would receive. */
export type SendTarget =
  | { readonly type: 'node'; readonly name: string; readonly groups: readonly string[] }
  | { readonly type: 'any' | 'group'; readonly group: string }

/** Who may do what on a link: the scopes of SEMANTICS.md ("Identity"), asked in the relay's words. */
export interface Policy {
  mayRegister(identity: Identity, hello: Hello): boolean
  maySend(identity: Identity, ownGroups: readonly string[], target: SendTarget): boolean
  maySee(identity: Identity, ownGroups: readonly string[], group: string): boolean
}

export const scopePolicy: Policy = {
  mayRegister: (identity, { name, groups }) =>
    groups.every((group) => allows(identity, { type: 'register', name: name ?? '', group })),

  maySend(identity, ownGroups, target) {
    switch (target.type) {
      case 'node':
        return target.groups.some((group) => allows(identity, { type: 'send', group, name: target.name }, ownGroups))
      case 'any':
        return allows(identity, { type: 'send', group: target.group, name: '*' }, ownGroups)
      case 'group':
        return allows(identity, { type: 'broadcast', group: target.group }, ownGroups)
    }
  },

  maySee: (identity, ownGroups, group) =>
    ownGroups.includes(group) ||
    allows(identity, { type: 'send', group, name: '*' }, ownGroups) ||
    allows(identity, { type: 'admin', write: false }),
}
