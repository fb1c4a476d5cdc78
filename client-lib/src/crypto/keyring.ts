import { createHash } from 'node:crypto'
import { isName, quote, SealwayError } from '@sealway/protocol'
import { type PayloadKey, parseKey } from './keys.js'

/** `'mk1_a,mk1_b'`, a key, or a list of either. The first seals; all of them open. */
export type KeyList = string | PayloadKey | readonly (string | PayloadKey)[]

export interface KeyringKeys {
  readonly default?: KeyList
  /** By group name, or by its spelling in the environment (see {@link keysFromEnvironment}). */
  readonly groups?: { readonly [group: string]: KeyList }
}

export interface KeyringOptions {
  /** The secret that signs tokens: no payload key may equal it, because the mediator holds it. */
  readonly tokenSecret?: string
}

interface Ring {
  readonly sealing: PayloadKey
  readonly keys: ReadonlyMap<string, PayloadKey>
}

/** One key that seals and up to 7 more that open: enough for a rotation, few enough to be looked over. */
const maxKeys = 8
export const defaultScope = 'default'
export const environmentName = 'PROTECTED_AES256'

/**
 * The payload keys of a node, by scope: `default`, and one for each group that has keys of its own.
 * Such a group is never opened with a default key: a holder of that key could otherwise write into the group.
 * To move a group to its own keys, list the default key among those that open, and remove it later.
 */
export class Keyring {
  private rings: ReadonlyMap<string, Ring>
  private readonly forbidden: ReadonlySet<string>
  private updates = 0

  /** @throws SealwayError `INVALID_ARGUMENT`, which never shows a key */
  constructor(keys: KeyringKeys, options: KeyringOptions = {}) {
    this.forbidden = new Set(options.tokenSecret === undefined ? [] : readingsOf(options.tokenSecret))
    this.rings = this.parse(keys)
  }

  /** Counts updates, so that owners of flows notice one by comparing a number. */
  get version(): number {
    return this.updates
  }

  /** Scopes that have keys of their own. */
  get scopes(): string[] {
    return [...this.rings.keys()]
  }

  /** The key to seal with. @throws SealwayError `NO_KEY` */
  sealing(scope: string): PayloadKey {
    const ring = this.ring(scope)
    if (ring) return ring.sealing
    throw new SealwayError('NO_KEY', {
      message: `no payload key for ${quote(scope)}: set ${environmentName}, or pass keys`,
      outcome: 'not-delivered',
      hop: 'client',
    })
  }

  /**
   * The key of this kid, if this scope holds it. Selected by kid only: AES-GCM does not commit to its key, so trying
   * one key after the other would let a frame open under two.
   * @param id the kid as 16 latin1 characters
   */
  opening(scope: string, id: string): PayloadKey | undefined {
    return this.ring(scope)?.keys.get(id)
  }

  /**
   * Replaces all keys at once; on an error the old ones stay.
   * Rotation: add the new key as opening everywhere, then list it first everywhere, then remove the old one.
   * @throws SealwayError `INVALID_ARGUMENT`
   */
  update(keys: KeyList | KeyringKeys | Keyring): void {
    this.rings = this.parse(keys instanceof Keyring ? keys.held() : ringsOf(keys))
    this.updates += 1
  }

  /** What it holds, as a constructor takes it. */
  private held(): KeyringKeys {
    const lists = new Map([...this.rings].map(([scope, { keys }]) => [scope, [...keys.values()]]))
    const byDefault = lists.get(defaultScope)
    lists.delete(defaultScope)
    return { ...(byDefault ? { default: byDefault } : {}), groups: Object.fromEntries(lists) }
  }

  private ring(scope: string): Ring | undefined {
    return this.rings.get(scope) ?? this.rings.get(environmentForm(scope)) ?? this.rings.get(defaultScope)
  }

  private parse(keys: KeyringKeys): Map<string, Ring> {
    const rings = new Map<string, Ring>()
    for (const field of Object.keys(keys)) {
      if (field !== 'default' && field !== 'groups')
        throw invalid(`keys have no field ${quote(field)}; there are default and groups`)
    }
    if (keys.default !== undefined) rings.set(defaultScope, this.parseRing(keys.default, defaultScope))
    for (const [group, list] of Object.entries(keys.groups ?? {})) {
      if (!isName(group) && group !== environmentForm(group))
        throw invalid(`keys are given for ${quote(group)}: no group`)
      if (rings.has(group)) throw invalid(`keys of ${quote(group)} are given twice`)
      rings.set(group, this.parseRing(list, group))
    }
    return rings
  }

  private parseRing(list: KeyList, scope: string): Ring {
    const entries = typeof list === 'string' ? list.split(',') : Array.isArray(list) ? list : [list]
    if (entries.length > maxKeys) throw invalid(`${quote(scope)} has ${entries.length} keys; at most ${maxKeys}`)
    const keys = new Map<string, PayloadKey>()
    for (const [i, entry] of entries.entries()) {
      const what = `key ${i + 1} of ${quote(scope)}`
      const key = typeof entry === 'string' ? parseKey(entry.trim(), what) : (entry as PayloadKey)
      if (keys.has(key.id)) throw invalid(`${what} is listed twice`)
      if (this.forbidden.has(digest(key.secret.export()))) {
        throw invalid(`${what} equals the secret that signs tokens, which the mediator holds; generate another`)
      }
      keys.set(key.id, key)
    }
    const [sealing] = keys.values()
    if (!sealing) throw invalid(`the list of keys of ${quote(scope)} is empty`)
    return { sealing, keys }
  }
}

/** Keys as `connect({ keys })` takes them: a key or a list of keys is for the default scope. @throws SealwayError `INVALID_ARGUMENT` */
export function ringsOf(keys: KeyList | KeyringKeys): KeyringKeys {
  if (typeof keys === 'string' || Array.isArray(keys)) return { default: keys as string | readonly string[] }
  if (typeof keys !== 'object' || keys === null) {
    throw invalid('keys must be a key (mk1_...), a list of keys, or { default, groups }')
  }
  return 'secret' in keys ? { default: keys as PayloadKey } : (keys as KeyringKeys)
}

/**
 * Reads `PROTECTED_AES256=mk1_a,mk1_b` (default scope; the first key seals) and `PROTECTED_AES256_<GROUP>`, the group's
 * name in capitals with `_` for `.` and `-`. Groups whose names differ in those characters only share such a setting.
 */
export function keysFromEnvironment(environment: { readonly [name: string]: string | undefined }): KeyringKeys {
  const groups: { [group: string]: string } = {}
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith(`${environmentName}_`) && value) groups[name.slice(environmentName.length + 1)] = value
  }
  const keys = environment[environmentName]
  return { ...(keys ? { default: keys } : {}), groups }
}

const environmentForm = (group: string): string => group.toUpperCase().replace(/[^A-Z0-9]/g, '_')

/** Everything that a token secret may be read as, as digests: the secret itself is not kept. */
function readingsOf(secret: string): string[] {
  const bare = secret.startsWith('mk1_') ? secret.slice(4) : secret
  return [Buffer.from(secret), Buffer.from(bare, 'base64url'), Buffer.from(bare, 'hex')].map(digest)
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const invalid = (message: string) => new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered' })
