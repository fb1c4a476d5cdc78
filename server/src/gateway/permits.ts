import { type NodeName, quote } from '@sealway/protocol'
import type { Identity } from '../auth/authenticator.js'
import { allows } from '../auth/scopes.js'
import { HttpError } from './problem.js'
import type { Call } from './route.js'

/** Who may do what to which node. An operator: everything. A node: itself, in the groups that its token allows. */

const isWriter = (caller: Identity): boolean => allows(caller, { type: 'admin', write: true })

/** Whether a caller may see where a node comes from. */
export const seesAll = (caller: Identity | undefined, name: string): boolean =>
  caller !== undefined && (caller.subject === name || allows(caller, { type: 'admin', write: false }))

/**
 * The name under which a node is registered: as asked, or the token's own, or none, where the token is bound to none.
 * @throws HttpError `FORBIDDEN`
 */
export function registerAs(call: Call, name: NodeName | undefined, groups: readonly string[]): NodeName | undefined {
  const caller = call.caller!
  if (isWriter(caller)) return name
  if (name === undefined && caller.subject === '*') {
    if (caller.scopes.length === 0) return undefined
    throw new HttpError('FORBIDDEN', 'a token with scopes registers under a name')
  }
  const own = name ?? (caller.subject as NodeName)
  requireGroups(caller, own, groups)
  return own
}

/** @param groups the groups that it is to have; undefined: they stay. @throws HttpError `FORBIDDEN` */
export function requireChange(call: Call, name: string, groups: readonly string[] | undefined): void {
  const caller = call.caller!
  if (isWriter(caller)) return
  if (groups) requireGroups(caller, name, groups)
  else requireSelf(caller, name)
}

/** @throws HttpError `FORBIDDEN` */
export function requireRemoval(call: Call, name: string): void {
  if (!isWriter(call.caller!)) requireSelf(call.caller!, name)
}

function requireSelf(caller: Identity, name: string): void {
  if (caller.subject === name) return
  throw new HttpError('FORBIDDEN', `this token stands for ${quote(caller.subject)} and may not change ${quote(name)}`)
}

function requireGroups(caller: Identity, name: string, groups: readonly string[]): void {
  for (const group of groups) {
    if (allows(caller, { type: 'register', name, group })) continue
    throw new HttpError('FORBIDDEN', `this token may not register ${quote(name)} in group ${quote(group)}`)
  }
}
