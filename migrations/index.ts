import { nodes } from './0001-nodes.js'
import { revocations } from './0002-revocations.js'
import { audit } from './0003-audit.js'
import { policies } from './0004-policies.js'
import { nameless } from './0005-nameless.js'
import { mediators } from './0006-mediators.js'
import type { Migration } from './migration.js'

export type { Migration } from './migration.js'

/** In the order in which they run. Imported by name, so that nothing is loaded from a folder at run time. */
export const migrations: readonly Migration[] = [nodes, revocations, audit, policies, nameless, mediators]
