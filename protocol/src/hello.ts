import { type GroupName, type NodeName, parseGroup, parseName, quote } from './address.js'
import { SealwayError } from './errors.js'
import { type Exposed, parseExposed } from './exchange.js'
import { limits } from './limits.js'
import type { TransportName } from './transport.js'

/** The protocol version this code speaks. A hello names all that its sender speaks; the highest in common is used. */
export const protocolVersion = 1
/** Value of the `Upgrade` header with which a link begins on an HTTP port. */
export const upgradeProtocol = 'sealway/1'
/** Path of that request. */
export const linkPath = '/link'

/** `iss` of a token that a node minted for itself with the shared secret. Never carries an admin scope. */
export const nodeTokenIssuer = 'sealway-node'
/** `iss` of a token that the mediator or its operator issued. */
export const mediatorTokenIssuer = 'sealway'
/** `aud` of every token, unless the setting TOKEN_AUDIENCE says otherwise; one text, not a list. */
export const defaultTokenAudience = 'sealway'
/** Life of a token that a node mints for itself, ms; it mints the next at 80 % of it. */
export const nodeTokenLifeMs = 15 * 60_000
/** Longest life of any token that a mediator takes by default, ms. */
export const maxTokenLifeMs = 24 * 60 * 60_000

/** An address that a node offers besides its link. */
export interface Endpoint {
  readonly name: string
  /** `http`, `https`, `tcp`, `udp` or a word of the user's. */
  readonly protocol: string
  readonly address: string
  readonly port: number
  readonly meta?: { readonly [key: string]: unknown }
}

export interface Hello {
  readonly versions: readonly number[]
  /** Absent: the mediator makes one from the first group. */
  readonly name?: NodeName
  /** Groups that the node is a member of; none where it only reaches some. */
  readonly groups: readonly GroupName[]
  /** Groups that it may send to and see, without being a member: it gets none of their messages. */
  readonly reaches: readonly GroupName[]
  readonly token: string
  /** 32 hex digits, new with each process: tells a reconnect from a second process of the same name. */
  readonly instance: string
  readonly endpoints: readonly Endpoint[]
  /** Shown to peers; at most 1 KiB as JSON. */
  readonly meta?: { readonly [key: string]: unknown }
  /** Software and version, for the operator. */
  readonly client?: string
  /** Present: this node serves HTTP over its link. */
  readonly http?: Exposed
}

export interface Welcome {
  readonly version: number
  readonly name: string
  readonly groups: readonly string[]
  /** How often this name was claimed. */
  readonly epoch: number
  /** Mediator's software version. */
  readonly mediator: string
  /** Mediator's clock, ms since 1970. */
  readonly now: number
  /** When the token of this link ends, ms since 1970. */
  readonly tokenExpiresAt: number
  readonly limits: {
    readonly maxFrameBytes: number
    readonly routeWindowBytes: number
    readonly routeWindowFrames: number
    readonly pingEveryMs: number
    readonly deadAfterMs: number
  }
}

/** Body of close and goaway. */
export interface Farewell {
  readonly code: string
  readonly message: string
  /** How long to wait before coming back, ms. */
  readonly reconnectInMs?: number
  /** The mediator's clock, ms since 1970, where a token was refused. */
  readonly now?: number
}

/** What a query may ask, and what its answer holds. */
export type Query =
  | { readonly type: 'peers'; readonly group: string }
  | { readonly type: 'watch'; readonly group: string }
  | { readonly type: 'unwatch'; readonly group: string }
  | { readonly type: 'time' }
  | { readonly type: 'policies' }
  | { readonly type: 'expose'; readonly http: Exposed | null }

export interface Peer {
  readonly name: string
  readonly groups: readonly string[]
  readonly online: boolean
  readonly transport?: TransportName
  /** ms since 1970. */
  readonly since?: number
  readonly endpoints: readonly Endpoint[]
  readonly meta?: { readonly [key: string]: unknown }
}

/** Body of a peers frame. */
export interface PeerChange {
  readonly group: string
  readonly type: 'joined' | 'left'
  readonly peer: Peer
}

/** @throws SealwayError `MALFORMED` or `INVALID_NAME`, naming the field. */
export function parseHello(value: unknown): Hello {
  const o = record(value, 'hello')
  const versions = o.versions
  if (!Array.isArray(versions) || versions.length === 0 || versions.length > 16 || !versions.every(Number.isInteger)) {
    throw malformed('hello.versions must be a list of integers')
  }
  if (typeof o.token !== 'string' || o.token === '') {
    throw new SealwayError('UNAUTHORIZED', { message: 'hello carries no token' })
  }
  if (o.token.length > limits.maxTokenBytes) {
    throw new SealwayError('UNAUTHORIZED', { message: `the token is over ${limits.maxTokenBytes} bytes` })
  }
  if (typeof o.instance !== 'string' || !/^[0-9a-f]{32}$/.test(o.instance)) {
    throw malformed('hello.instance must be 32 hex digits')
  }
  if (o.client !== undefined && (typeof o.client !== 'string' || o.client.length > 100)) {
    throw malformed('hello.client must be a text of at most 100 characters')
  }
  const { groups, reaches } = placesOf(o)
  return {
    versions: versions as number[],
    ...(o.name === undefined || o.name === null ? {} : { name: parseName(o.name) }),
    groups,
    reaches,
    token: o.token,
    instance: o.instance,
    endpoints: parseEndpoints(o.endpoints),
    ...(o.meta === undefined ? {} : { meta: parseMeta(o.meta) }),
    ...(o.client === undefined ? {} : { client: o.client }),
    ...(o.http === undefined || o.http === null ? {} : { http: parseExposed(o.http) }),
  }
}

/** The first 4 bytes of an instance, as sealed frames carry it; 1 where they are 0, which means "not known yet". */
export const incarnationOf = (instance: string): number => Number.parseInt(instance.slice(0, 8), 16) || 1

/** The highest version in common. @throws SealwayError `UNSUPPORTED_VERSION` */
export function chooseVersion(offered: readonly number[]): number {
  if (offered.includes(protocolVersion)) return protocolVersion
  throw new SealwayError('UNSUPPORTED_VERSION', {
    message: `this mediator speaks protocol version ${protocolVersion}; offered were ${offered.join(', ')}`,
  })
}

/**
 * The groups of a node, and those that it reaches: at least one of either.
 * @throws SealwayError `MALFORMED`, `INVALID_NAME`
 */
export function placesOf(node: { readonly groups?: unknown; readonly reaches?: unknown }): {
  readonly groups: readonly GroupName[]
  readonly reaches: readonly GroupName[]
} {
  const reaches = isNone(node.reaches) ? [] : parseGroups(node.reaches, 'reaches')
  const groups = reaches.length > 0 && isNone(node.groups) ? [] : parseGroups(node.groups)
  return { groups, reaches }
}

const isNone = (list: unknown): boolean => list === undefined || (Array.isArray(list) && list.length === 0)

/** @param what names the list in errors. @throws SealwayError `MALFORMED`, `INVALID_NAME` */
export function parseGroups(value: unknown, what = 'groups'): GroupName[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed(`${what} must name at least one group`)
  if (value.length > limits.maxGroupsPerNode) {
    throw malformed(`${what} has ${value.length} entries; at most ${limits.maxGroupsPerNode} are allowed`)
  }
  return [...new Set(value.map(parseGroup))]
}

/** @throws SealwayError */
export function parseEndpoints(value: unknown): Endpoint[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw malformed('endpoints must be a list')
  if (value.length > limits.maxEndpointsPerNode) {
    throw malformed(`endpoints has ${value.length} entries; at most ${limits.maxEndpointsPerNode} are allowed`)
  }
  const names = new Set<string>()
  return value.map((entry, i) => {
    const o = record(entry, `endpoints[${i}]`)
    const name = parseName(o.name, `endpoints[${i}].name`)
    if (names.has(name)) throw malformed(`endpoint ${quote(name)} is named twice`)
    names.add(name)
    if (typeof o.protocol !== 'string' || !/^[a-z][a-z0-9+.-]{0,31}$/.test(o.protocol)) {
      throw malformed(`endpoints[${i}].protocol ${quote(o.protocol)} is not a protocol's name`)
    }
    if (typeof o.address !== 'string' || o.address.length === 0 || o.address.length > 255) {
      throw malformed(`endpoints[${i}].address must be a host name or an IP address`)
    }
    const port = o.port
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw malformed(`endpoints[${i}].port ${quote(port)} is not 1 to 65535`)
    }
    return {
      name,
      protocol: o.protocol,
      address: o.address,
      port,
      ...(o.meta === undefined ? {} : { meta: parseMeta(o.meta) }),
    }
  })
}

export function parseMeta(value: unknown): { [key: string]: unknown } {
  const o = record(value, 'meta')
  if (JSON.stringify(o).length > 1_024) throw malformed('meta is over 1 KiB as JSON')
  return o
}

function record(value: unknown, what: string): { [key: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} must be an object`)
  return value as { [key: string]: unknown }
}

const malformed = (message: string) => new SealwayError('MALFORMED', { message })
