import { isName, quote, SealwayError } from '@sealway/protocol'
import { importKey, type PageKey } from './key.js'

/** `'mk1_a,mk1_b'`, or a list of keys. The first seals; all of them open. */
export type PageKeyList = string | readonly string[]
/** Keys of the default scope, or a ring for each scope. */
export type PageKeys =
  | PageKeyList
  | { readonly default?: PageKeyList; readonly groups?: { readonly [group: string]: PageKeyList } }

interface Ring {
  readonly sealing: PageKey
  readonly keys: ReadonlyMap<string, PageKey>
}

/** One key that seals and up to 7 more that open, as everywhere (SPEC.md, "Payload keys"). */
const maxKeys = 8
const defaultScope = 'default'

/** The payload keys of a page, by scope. A group with keys of its own uses no other. */
export class PageKeyring {
  private rings: ReadonlyMap<string, Ring> = new Map()
  private updates = 0

  /** @throws SealwayError `INVALID_ARGUMENT`, `NO_KEY`; neither shows a key */
  static async from(keys: PageKeys): Promise<PageKeyring> {
    const keyring = new PageKeyring()
    await keyring.update(keys)
    return keyring
  }

  /** Counts updates, so that owners of flows notice one by comparing a number. */
  get version(): number {
    return this.updates
  }

  /** Replaces all keys at once; on an error the old ones stay. */
  async update(keys: PageKeys): Promise<void> {
    const given =
      typeof keys === 'string' || Array.isArray(keys)
        ? { default: keys as PageKeyList }
        : (keys as Exclude<PageKeys, PageKeyList>)
    const rings = new Map<string, Ring>()
    if (given.default !== undefined) rings.set(defaultScope, await readRing(given.default, defaultScope))
    for (const [group, list] of Object.entries(given.groups ?? {})) {
      if (!isName(group)) throw invalid(`keys are given for ${quote(group)}: no group`)
      rings.set(group, await readRing(list, group))
    }
    if (rings.size === 0) throw noKey('no payload key: pass keys (mk1_...)')
    this.rings = rings
    this.updates += 1
  }

  /** The key to seal with. @throws SealwayError `NO_KEY` */
  sealing(scope: string): PageKey {
    const ring = this.ring(scope)
    if (ring) return ring.sealing
    throw noKey(`no payload key for ${quote(scope)}: pass one in keys`)
  }

  /** By kid only: AES-GCM does not commit to its key. @param id the kid as 16 latin1 characters */
  opening(scope: string, id: string): PageKey | undefined {
    return this.ring(scope)?.keys.get(id)
  }

  private ring(scope: string): Ring | undefined {
    return this.rings.get(scope) ?? this.rings.get(defaultScope)
  }
}

async function readRing(list: PageKeyList, scope: string): Promise<Ring> {
  const texts = typeof list === 'string' ? list.split(',') : [...list]
  if (texts.length > maxKeys) throw invalid(`${quote(scope)} has ${texts.length} keys; at most ${maxKeys}`)
  const keys = new Map<string, PageKey>()
  for (const [i, text] of texts.entries()) {
    const what = `key ${i + 1} of ${quote(scope)}`
    if (typeof text !== 'string') throw invalid(`${what} must be a text (mk1_...)`)
    const key = await importKey(text.trim(), what)
    if (keys.has(key.id)) throw invalid(`${what} is listed twice`)
    keys.set(key.id, key)
  }
  const [sealing] = keys.values()
  if (!sealing) throw invalid(`the list of keys of ${quote(scope)} is empty`)
  return { sealing, keys }
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
const noKey = (message: string) => new SealwayError('NO_KEY', { message, outcome: 'not-delivered', hop: 'client' })
