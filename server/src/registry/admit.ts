import {
  type Endpoint,
  type GroupName,
  isName,
  type NodeName,
  parseEndpoints,
  parseGroups,
  parseJson,
  parseMeta,
  parseName,
  placesOf,
  quote,
  SealwayError,
} from '@sealway/protocol'
import type { Claim, NodeChange } from './registry.js'

/*
 * The door of the registry: whatever passes here is a string, a number or null of a known size, and nothing else ever
 * reaches a query (row W3 of RELIABILITY.md: knex turns an object where a value belongs into SQL).
 */

export interface AdmittedClaim {
  readonly name: NodeName | undefined
  readonly groups: readonly GroupName[]
  /** The group after which a node without a name is called. */
  readonly namedAfter: GroupName
  readonly instance: string
  readonly endpoints: readonly Endpoint[]
  /** JSON, or null. */
  readonly meta: string | null
  readonly transport: string
  readonly address: string
  readonly client: string | null
  readonly expectedEpoch: number | undefined
}

export interface AdmittedChange {
  readonly groups: readonly GroupName[] | undefined
  readonly endpoints: readonly Endpoint[] | undefined
  /** JSON; null removes it; undefined leaves it as it is. */
  readonly meta: string | null | undefined
}

/** @throws SealwayError `MALFORMED` or `INVALID_NAME`, naming the field */
export function admitClaim(claim: Claim): AdmittedClaim {
  record(claim, 'a claim')
  const { groups, reaches } = placesOf(claim)
  return {
    name: claim.name === undefined ? undefined : parseName(claim.name),
    groups,
    namedAfter: (groups[0] ?? reaches[0])!,
    instance: text(claim.instance, 'instance', 32),
    endpoints: admitEndpoints(claim.endpoints),
    meta: claim.meta === undefined ? null : metaJson(claim.meta),
    transport: text(claim.transport, 'transport', 16),
    address: text(claim.address, 'address', 255),
    client: claim.client === undefined ? null : text(claim.client, 'client', 100),
    expectedEpoch: claim.expectedEpoch === undefined ? undefined : whole(claim.expectedEpoch, 'expectedEpoch'),
  }
}

/** @throws SealwayError `MALFORMED` or `INVALID_NAME`, naming the field */
export function admitChange(change: NodeChange): AdmittedChange {
  record(change, 'a change')
  return {
    groups: change.groups === undefined ? undefined : parseGroups(change.groups),
    endpoints: change.endpoints === undefined ? undefined : admitEndpoints(change.endpoints),
    meta: change.meta === undefined ? undefined : change.meta === null ? null : metaJson(change.meta),
  }
}

/** A name that is asked for. Text outside the grammar is in no row: undefined. @throws SealwayError `INVALID_NAME` */
export function soughtName(name: unknown): string | undefined {
  if (typeof name !== 'string') return parseName(name)
  return isName(name) ? name : undefined
}

/** @throws SealwayError `MALFORMED` where it is no text, is too long, or holds control characters */
export function text(value: unknown, what: string, maxLength: number): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${what} must be a text, not ${quote(value)}`)
  if (value.length > maxLength) throw malformed(`${what} has ${value.length} characters; at most ${maxLength} are kept`)
  // Control characters forge log lines, and libsql cuts at a NUL; half a surrogate pair is no UTF-8.
  if (/[\p{Cc}\p{Cs}]/u.test(value)) throw malformed(`${what} ${quote(value)} holds control characters`)
  return value
}

/** @throws SealwayError `MALFORMED` where it is no object with fields */
export function record(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} must be an object`)
}

/** @throws SealwayError `MALFORMED` where it is not an integer from 0 on */
export function whole(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw malformed(`${what} must be a whole number, not ${quote(value)}`)
}

/** Rows of one page: `fallback` unless given, never above 1,000. @throws SealwayError `MALFORMED` */
export function pageSize(limit: unknown, fallback: number): number {
  if (limit === undefined) return fallback
  const rows = whole(limit, 'limit')
  if (rows === 0) throw malformed('limit must be at least 1')
  return Math.min(rows, 1_000)
}

export function metaJson(value: unknown): string {
  const json = JSON.stringify(parseMeta(value))
  // Reads it back once: refuses keys such as __proto__ before they are stored (row W4).
  parseJson(json)
  return json
}

function admitEndpoints(value: unknown): Endpoint[] {
  const endpoints = parseEndpoints(value)
  for (const endpoint of endpoints) {
    text(endpoint.address, `address of endpoint ${quote(endpoint.name)}`, 255)
    if (endpoint.meta !== undefined) metaJson(endpoint.meta)
  }
  return endpoints
}

export const malformed = (message: string) =>
  new SealwayError('MALFORMED', { message, outcome: 'not-delivered', hop: 'mediator' })
