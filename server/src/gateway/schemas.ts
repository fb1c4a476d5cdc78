import {
  breakerRanges,
  codeTable,
  limits,
  maxPolicies,
  type Range,
  retryRanges,
  strategies,
  wholeNumbers,
} from '@sealway/protocol'
import type { JsonSchema } from './route.js'

/** What a name may be is said once, in protocol/address; here it is repeated for readers of the document. */
export const nameSchema: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 64,
  pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$',
}
const millis = (description: string): JsonSchema => ({
  type: ['integer', 'null'],
  description: `${description}, ms since 1970`,
})
const list = (items: JsonSchema, maxItems?: number): JsonSchema => ({
  type: 'array',
  items,
  ...(maxItems === undefined ? {} : { maxItems }),
})
const object = (
  properties: { readonly [name: string]: JsonSchema },
  required = Object.keys(properties),
): JsonSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

export const metaSchema: JsonSchema = { type: 'object', description: 'anything, at most 1 KiB as JSON' }

const endpointSchema = object(
  {
    name: nameSchema,
    protocol: { type: 'string', maxLength: 32 },
    address: { type: 'string', minLength: 1, maxLength: 255 },
    port: { type: 'integer', minimum: 1, maximum: 65_535 },
    meta: metaSchema,
  },
  ['name', 'protocol', 'address', 'port'],
)

const changeable = {
  groups: { ...list(nameSchema, limits.maxGroupsPerNode), minItems: 1 },
  endpoints: list(endpointSchema, limits.maxEndpointsPerNode),
}
export const registerSchema = object({ name: nameSchema, ...changeable, meta: metaSchema }, ['groups'])
export const changeSchema: JsonSchema = {
  ...object({ ...changeable, meta: { ...metaSchema, type: ['object', 'null'] } }, []),
  minProperties: 1,
}

export const tokenSchema = (maxLifeMs: number): JsonSchema =>
  object(
    {
      name: { ...nameSchema, description: 'the node (or operator) that the token is bound to' },
      groups: {
        ...list(nameSchema, limits.maxGroupsPerNode),
        minItems: 1,
        description: 'groups in which it may register, send, broadcast and use mailboxes; becomes scopes',
      },
      reaches: {
        ...list(nameSchema, limits.maxGroupsPerNode),
        minItems: 1,
        description: 'groups that it may send to and see without being a member; becomes scopes',
      },
      scopes: { ...list({ type: 'string', maxLength: 160 }, 128), description: 'further scopes' },
      lifeMs: { type: 'integer', minimum: 1_000, maximum: maxLifeMs, description: 'ms; 15 min unless given' },
    },
    ['name'],
  )

const rangesSchema = (ranges: { readonly [name: string]: Range }): { [name: string]: JsonSchema } =>
  Object.fromEntries(
    Object.entries(ranges).map(([name, [minimum, maximum]]) => [
      name,
      { type: wholeNumbers.includes(name) ? 'integer' : 'number', minimum, maximum },
    ]),
  )

const policyFields: { readonly [name: string]: JsonSchema } = {
  target: { type: 'string', maxLength: 80, description: "a node's name, any:<group>, group:<group> or *" },
  action: { type: 'string', minLength: 1, maxLength: 255, description: 'absent: all actions' },
  timeout: { type: 'number', minimum: 1, maximum: limits.maxCallTimeoutMs, description: 'ms' },
  retries: object({ ...rangesSchema(retryRanges), whenNoPeer: { type: 'boolean' } }, []),
  breaker: { anyOf: [{ const: false }, object(rangesSchema(breakerRanges), [])] },
  balance: {
    anyOf: [{ enum: strategies }, object({ sticky: { type: 'string', minLength: 1, maxLength: 128 } })],
    description: 'sticky: the path of a field in the body, which the mediator never sees',
  },
}
export const policySchema = object(policyFields, ['target'])

/** Named schemas of the OpenAPI document. */
export const components: { readonly [name: string]: JsonSchema } = {
  Node: object({
    id: { type: 'integer' },
    name: nameSchema,
    groups: list(nameSchema),
    endpoints: list(endpointSchema),
    meta: { type: ['object', 'null'] },
    online: { type: 'boolean' },
    epoch: { type: 'integer', description: 'how often a link claimed the name' },
    transport: { type: ['string', 'null'], description: 'of the last link' },
    address: { type: ['string', 'null'], description: 'of the last link; for operators and the node itself' },
    client: { type: ['string', 'null'], description: 'software; for operators and the node itself' },
    since: millis('begin of the last link'),
    lastSeen: millis('last sign of life'),
    createdAt: { type: 'integer', description: 'ms since 1970' },
  }),
  NodePage: object({
    nodes: list({ $ref: '#/components/schemas/Node' }),
    next: {
      type: ['string', 'null'],
      description: 'what to send as `after` for the next page; null: this was the last',
    },
  }),
  GroupList: object({
    groups: list(
      object({
        name: nameSchema,
        nodes: { type: 'integer' },
        online: { type: 'integer' },
        createdAt: { type: 'integer' },
      }),
    ),
  }),
  Policy: object(
    {
      ...policyFields,
      updatedAt: { type: 'integer', description: 'ms since 1970' },
      updatedBy: { type: 'string' },
    },
    ['target', 'updatedAt', 'updatedBy'],
  ),
  PolicyList: object({ policies: list({ $ref: '#/components/schemas/Policy' }, maxPolicies) }),
  Token: object({
    token: { type: 'string', description: 'shown this once' },
    id: { type: 'string', description: 'what it is revoked by' },
    name: { type: 'string' },
    scopes: list({ type: 'string' }),
    expiresAt: { type: 'integer', description: 'ms since 1970' },
  }),
  AuditPage: object({
    entries: list(
      object({
        id: { type: 'integer' },
        at: { type: 'integer', description: 'ms since 1970' },
        actor: { type: 'string' },
        action: { type: 'string' },
        subject: { type: 'string' },
        detail: {},
      }),
    ),
    next: { type: ['integer', 'null'], description: 'what to send as `before` for the next page' },
  }),
  Health: object({ alive: { const: true } }),
  Readiness: object({
    ready: { type: 'boolean' },
    draining: { type: 'boolean' },
    listening: { type: 'boolean' },
    database: { enum: ['up', 'down'] },
    links: { type: 'integer' },
  }),
  Version: object({
    name: { const: 'sealway' },
    version: { type: 'string' },
    protocol: list({ type: 'integer' }),
  }),
  Problem: object({
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { enum: codeTable.map(([, name]) => name) },
    detail: { type: 'string' },
    retry: { enum: ['never', 'later', 'reconnect'] },
  }),
}

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })
