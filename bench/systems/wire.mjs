/**
 * What the two relays of our own making (`raw` and `ws`) put before a body: where it goes (on its way in) or where
 * it comes from (on its way out), and what it is.
 *
 *     0        4        8
 *     | route  | tag    | body ...     (little-endian)
 *
 * Routes are numbers given by the relay: of a node from 1, of a group from `groupRoute`, and 0 is the relay itself,
 * whose bodies are JSON. A tag is the kind (4 bits) and the number of a call (28 bits).
 */
export const headBytes = 8
export const relayRoute = 0
export const groupRoute = 0x8000_0000

export const message = 0
export const request = 1
export const reply = 2

const idBits = 28
export const maxId = 2 ** idBits - 1

/** @param {number} kind @param {number} id */
export const tagOf = (kind, id) => ((kind << idBits) | id) >>> 0
/** @param {number} tag */
export const kindOf = (tag) => tag >>> idBits
/** @param {number} tag */
export const idOf = (tag) => tag & maxId

/** Who is registered at a relay: the names, their numbers and groups. */
export class Names {
  /** @type {Map<string, number>} */
  #numbers = new Map()
  /** @type {Map<number, unknown[]>} */
  #members = new Map()

  /**
   * @template Link
   * @param {{ register?: string, group?: string, find?: string }} asked
   * @param {Link} link
   * @returns {{ number: number } | { missing: string }}
   */
  answer(asked, link) {
    if (asked.register !== undefined) {
      const number = this.#numberOf(asked.register, 0)
      this.#members.set(number, [link])
      if (asked.group !== undefined) this.#members.get(this.#numberOf(asked.group, groupRoute))?.push(link)
      return { number }
    }
    const number = this.#numbers.get(asked.find ?? '')
    return number === undefined ? { missing: asked.find ?? '' } : { number }
  }

  /** @param {number} route @returns {any[] | undefined} the links it leads to */
  members(route) {
    return this.#members.get(route)
  }

  /** @param {unknown} link has gone */
  forget(link) {
    for (const links of this.#members.values()) {
      const at = links.indexOf(link)
      if (at !== -1) links.splice(at, 1)
    }
  }

  /** @param {string} name @param {number} base */
  #numberOf(name, base) {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = base + this.#numbers.size + 1
      this.#numbers.set(name, number)
      this.#members.set(number, [])
    }
    return number
  }
}

/** The calls of one link that wait for their answer. */
export class Calls {
  #next = 0
  /** @type {Map<number, (body: Uint8Array) => void>} */
  #waiting = new Map()

  /** @param {(id: number) => void} ask @returns {Promise<Uint8Array>} */
  make(ask) {
    this.#next = (this.#next + 1) & maxId
    const id = this.#next
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      ask(id)
    })
  }

  /** @param {number} id @param {Uint8Array} body */
  answered(id, body) {
    const resolve = this.#waiting.get(id)
    this.#waiting.delete(id)
    resolve?.(body)
  }
}
