import { SealwayError } from '@sealway/protocol'
import { messageOf } from './thrown.js'

/*
 * What a JSON body carries: docs/values.md has the table, and test/client/messaging/values.test.ts holds the table to
 * this file. A value is carried exactly, carried by a documented rule, or refused with its path.
 */

/** How deep a JSON value may be nested. */
const maxDepth = 512
/** A longer path is cut in errors, characters. */
const maxPathLength = 200

/**
 * The value as JSON.
 * @param label names the value in errors: `body`, `meta`
 * @throws SealwayError `UNSERIALISABLE`, with the path of what cannot be carried
 */
export function toJson(value: unknown, label: string): string {
  if (looksPlain(value)) return JSON.stringify(value)
  const text = new JsonWriter(label).write(value, '')
  if (text === undefined) throw unserialisable(label, 'its toJSON gives nothing')
  return text
}

/** A getter or a proxy may throw; the writer meets it again and reports where. */
function looksPlain(value: unknown): boolean {
  try {
    return isPlain(value, 0)
  } catch {
    return false
  }
}

/**
 * Whether JSON.stringify writes this value as the table says. Nearly every value passes, so the check allocates nothing:
 * no path, no copy. A replacer instead would double the time of JSON.stringify; this adds a fifth.
 */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      // False for NaN, the infinities, and -0, which JSON.stringify writes as 0.
      return value === 0 ? 1 / value > 0 : value - value === 0
    case 'object': {
      if (value === null) return true
      if (depth > maxDepth) return false
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false
        return true
      }
      const prototype = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) return isValidDate(value, prototype)
      const object = value as { [key: string]: unknown }
      for (const key in object) {
        if (isPoison(key)) return false
        const field = object[key]
        if (field !== undefined && !isPlain(field, depth + 1)) return false
      }
      return true
    }
    default:
      return false
  }
}

const isValidDate = (value: object, prototype: unknown): boolean =>
  prototype === Date.prototype && !Number.isNaN((value as Date).getTime())

/** Receivers refuse these keys: assigned to an object, they would reach its prototype. */
const isPoison = (key: string): boolean => key === '__proto__' || key === 'constructor' || key === 'prototype'

/** Writes the values that JSON.stringify would change, and refuses those that have no form. */
class JsonWriter {
  /** Indexes and names of fields, from the root to the value being written. */
  private readonly path: (number | string)[] = []
  private readonly ancestors: object[] = []

  constructor(private readonly label: string) {}

  /** @returns undefined for a value that JSON leaves out of objects */
  write(value: unknown, key: number | string): string | undefined {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return JSON.stringify(value)
      case 'number':
        if (!Number.isFinite(value)) throw this.refusal(`${value} has no form in JSON`)
        return Object.is(value, -0) ? '-0' : String(value)
      case 'undefined':
        return undefined
      case 'object':
        return value === null ? 'null' : this.object(value, key)
      case 'bigint':
        throw this.refusal('a BigInt has no form in JSON; send it as text')
      default:
        throw this.refusal(`a ${typeof value} has no form in JSON`)
    }
  }

  private object(value: object, key: number | string): string | undefined {
    if (this.ancestors.includes(value)) throw this.refusal('it is in a circle: it contains itself')
    if (this.ancestors.length > maxDepth) throw this.refusal(`it is nested deeper than ${maxDepth}`)
    this.ancestors.push(value)
    const text = this.content(value, key)
    this.ancestors.pop()
    return text
  }

  private content(value: object, key: number | string): string | undefined {
    const tag = this.read(() => Object.prototype.toString.call(value)).slice(8, -1)
    if (isBytes(value, tag))
      throw this.refusal(`bytes (${tag}) are carried only as the whole; send them as base64 text`)
    if (tag === 'Date' && Number.isNaN(Number(value))) throw this.refusal('it is an invalid Date')
    const toJSON = this.read(() => (value as { toJSON?: unknown }).toJSON)
    if (typeof toJSON === 'function') {
      return this.write(
        this.read(() => toJSON.call(value, String(key))),
        key,
      )
    }
    if (Array.isArray(value)) return `[${this.items(value)}]`
    if (!this.read(() => isPlainObject(value))) throw this.refusal(this.read(() => whyRefused(value, tag)))
    return `{${this.fields(value as { [key: string]: unknown })}}`
  }

  private items(array: readonly unknown[]): string {
    const texts: string[] = []
    for (let i = 0; i < array.length; i++) {
      this.path.push(i)
      const item = this.read(() => array[i])
      const text = this.write(item, i)
      if (text === undefined) {
        throw this.refusal(`${i in array ? 'undefined' : 'a hole'} in an array has no form in JSON; send null`)
      }
      this.path.pop()
      texts.push(text)
    }
    return texts.join()
  }

  private fields(object: { [key: string]: unknown }): string {
    const texts: string[] = []
    for (const key of this.read(() => Object.keys(object))) {
      this.path.push(key)
      if (isPoison(key)) throw this.refusal('receivers refuse this key')
      const field = this.read(() => object[key])
      const text = this.write(field, key)
      this.path.pop()
      if (text !== undefined) texts.push(`${JSON.stringify(key)}:${text}`)
    }
    return texts.join()
  }

  /** Runs code of the user: a getter, a toJSON, a proxy. */
  private read<T>(look: () => T): T {
    try {
      return look()
    } catch (cause) {
      throw this.refusal(messageOf(cause), cause)
    }
  }

  private refusal(why: string, cause?: unknown): SealwayError {
    const path = this.path.map(stepText).join('')
    const shown = path.length > maxPathLength ? `${path.slice(0, maxPathLength)}...` : path
    return unserialisable(this.label + shown, why, cause)
  }
}

const stepText = (step: number | string): string => {
  if (typeof step === 'number') return `[${step}]`
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
}

const isBytes = (value: object, tag: string): boolean =>
  ArrayBuffer.isView(value) || tag === 'ArrayBuffer' || tag === 'SharedArrayBuffer' || tag === 'Blob' || tag === 'File'

/**
 * An object literal, of this realm or another one, or an object without a prototype. A prototype that is empty and has
 * none itself is no class: querystring.parse, and the `request.params` of Fastify, have one.
 */
function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === null || prototype === Object.prototype) return true
  if (Object.getPrototypeOf(prototype) !== null) return false
  return Object.hasOwn(prototype, 'isPrototypeOf') || Reflect.ownKeys(prototype).length === 0
}

/** @param tag what Object.prototype.toString calls it */
function whyRefused(value: object, tag: string): string {
  switch (tag) {
    case 'Error':
      return 'JSON leaves out all that an Error says; send { message: error.message }'
    case 'RegExp':
      return 'a RegExp has no form in JSON; send its source'
    case 'Map':
      return 'a Map has no form in JSON; send [...map] or Object.fromEntries(map)'
    case 'Set':
      return 'a Set has no form in JSON; send [...set]'
    case 'Promise':
      return 'a Promise has no form in JSON; await it first'
    default:
      return `an instance of ${classOf(value) ?? tag} would lose its class; give it a toJSON, or send { ...value }`
  }
}

function classOf(value: object): string | undefined {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** @param what the value, with its path */
export const unserialisable = (what: string, why: string, cause?: unknown) =>
  new SealwayError('UNSERIALISABLE', {
    message: `${what} cannot be encoded: ${why}`,
    outcome: 'not-delivered',
    hop: 'client',
    ...(cause === undefined ? {} : { cause }),
  })
