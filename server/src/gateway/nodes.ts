import {
  type GroupName,
  type NodeName,
  parseEndpoints,
  parseGroup,
  parseGroups,
  parseMeta,
  parseName,
  quote,
} from '@sealway/protocol'
import type { Identity } from '../auth/authenticator.js'
import type { NodeChange, NodeRecord, Registry } from '../registry/registry.js'
import type { GatewayDeps } from './deps.js'
import { registerAs, requireChange, requireRemoval, seesAll } from './permits.js'
import { HttpError } from './problem.js'
import { type Call, noContent, ok, type Route } from './route.js'
import { changeSchema, nameSchema, ref, registerSchema } from './schemas.js'

const defaultPage = 100
const paging = {
  after: { ...nameSchema, description: 'the last name of the page before' },
  limit: { type: 'integer', minimum: 1, maximum: 1_000, default: defaultPage },
}
const online = { type: 'boolean', description: 'only those connected, or not connected' }

/** Registering, changing, removing and listing nodes. */
export function nodeRoutes({ registry, disconnect }: Pick<GatewayDeps, 'registry' | 'disconnect'>): Route[] {
  const change = async (call: Call, name: string) => {
    const wanted = readChange(call.body)
    requireChange(call, name, wanted.groups)
    return ok(shown(await registry.updateNode(name, wanted, call.actor), call.caller))
  }
  return [
    {
      id: 'registerNode',
      method: 'post',
      path: '/v1/nodes',
      access: 'token',
      summary: 'Register a node, or change the one of that name. Without a name: that of the token, or a new one.',
      body: registerSchema,
      answers: { 200: ref('Node'), 201: ref('Node') },
      errors: ['INVALID_NAME', 'CONFLICT'],
      async handler(call) {
        const wanted = readRegistration(call.body)
        const name = registerAs(call, wanted.name, wanted.groups)
        const { name: _asked, ...rest } = wanted
        const { node, created } = await registry.upsertNode({ ...rest, ...(name ? { name } : {}) }, call.actor)
        return {
          status: created ? 201 : 200,
          body: shown(node, call.caller),
          // Relative to the collection (RFC 9110 s10.2.2), so that it is right under /api too.
          headers: { location: `nodes/${node.name}` },
        }
      },
    },
    {
      id: 'listNodes',
      method: 'get',
      path: '/v1/nodes',
      access: 'token',
      summary: 'List nodes by name, page by page.',
      query: { group: nameSchema, online, ...paging },
      answers: { 200: ref('NodePage') },
      handler: (call) => page(registry, call, call.query.group as string | undefined),
    },
    {
      id: 'getNode',
      method: 'get',
      path: '/v1/nodes/{name}',
      access: 'token',
      summary: 'One node.',
      answers: { 200: ref('Node') },
      errors: ['UNKNOWN_NODE', 'INVALID_NAME'],
      handler: async (call) => ok(shown(await existing(registry, nameOf(call)), call.caller)),
    },
    {
      id: 'changeNode',
      method: 'patch',
      path: '/v1/nodes/{name}',
      access: 'token',
      summary: 'Change what is named, leave the rest. A connected node states its own groups anew when it reconnects.',
      body: changeSchema,
      answers: { 200: ref('Node') },
      errors: ['UNKNOWN_NODE', 'INVALID_NAME', 'CONFLICT'],
      handler: (call) => change(call, nameOf(call)),
    },
    {
      id: 'removeNode',
      method: 'delete',
      path: '/v1/nodes/{name}',
      access: 'token',
      summary: 'Remove a node and close its link.',
      answers: { 204: null },
      errors: ['UNKNOWN_NODE', 'INVALID_NAME'],
      async handler(call) {
        const name = nameOf(call)
        requireRemoval(call, name)
        await registry.removeNode(name, call.actor)
        disconnect(name)
        return noContent
      },
    },
    {
      id: 'getNodeById',
      method: 'get',
      path: '/v1/nodes/by-id/{id}',
      access: 'token',
      summary: 'One node, by the number that the registry gave it.',
      answers: { 200: ref('Node') },
      errors: ['UNKNOWN_NODE'],
      handler: async (call) => ok(shown(await byId(registry, call), call.caller)),
    },
    {
      id: 'changeNodeById',
      method: 'patch',
      path: '/v1/nodes/by-id/{id}',
      access: 'token',
      summary: 'The same change, by number.',
      body: changeSchema,
      answers: { 200: ref('Node') },
      errors: ['UNKNOWN_NODE', 'INVALID_NAME', 'CONFLICT'],
      handler: async (call) => change(call, (await byId(registry, call)).name),
    },
    {
      id: 'listGroups',
      method: 'get',
      path: '/v1/groups',
      access: 'token',
      summary: 'All groups, with how many nodes they have.',
      answers: { 200: ref('GroupList') },
      handler: async () => ok({ groups: await registry.groups() }),
    },
    {
      id: 'listGroupNodes',
      method: 'get',
      path: '/v1/groups/{group}/nodes',
      access: 'token',
      summary: 'The nodes of one group, page by page.',
      query: { online, ...paging },
      answers: { 200: ref('NodePage') },
      errors: ['UNKNOWN_GROUP', 'INVALID_NAME'],
      async handler(call) {
        const group = parseGroup(call.params.get('group'))
        if (!(await registry.groupExists(group)))
          throw new HttpError('UNKNOWN_GROUP', `there is no group ${quote(group)}`)
        return page(registry, call, group)
      },
    },
    {
      id: 'changeGroupNode',
      method: 'patch',
      path: '/v1/groups/{group}/nodes/{name}',
      access: 'token',
      summary: 'The same change, by group and name.',
      body: changeSchema,
      answers: { 200: ref('Node') },
      errors: ['UNKNOWN_NODE', 'INVALID_NAME', 'CONFLICT'],
      async handler(call) {
        const group = parseGroup(call.params.get('group'))
        const node = await existing(registry, nameOf(call))
        if (!node.groups.includes(group)) {
          throw new HttpError('UNKNOWN_NODE', `no node ${quote(node.name)} is registered in group ${quote(group)}`)
        }
        return change(call, node.name)
      },
    },
  ]
}

const nameOf = (call: Call): NodeName => parseName(call.params.get('name'))

async function existing(registry: Registry, name: string): Promise<NodeRecord> {
  const node = await registry.node(name)
  if (node) return node
  throw new HttpError('UNKNOWN_NODE', `no node ${quote(name)} is registered`)
}

async function byId(registry: Registry, call: Call): Promise<NodeRecord> {
  const text = call.params.get('id')!
  const node = /^\d{1,15}$/.test(text) ? await registry.nodeById(Number(text)) : undefined
  if (node) return node
  throw new HttpError('UNKNOWN_NODE', `no node has the number ${quote(text)}`)
}

async function page(registry: Registry, call: Call, group: string | undefined) {
  const query = call.query as { online?: boolean; after?: string; limit?: number }
  const limit = query.limit ?? defaultPage
  const nodes = await registry.nodes({ ...query, ...(group === undefined ? {} : { group }), limit })
  const next = nodes.length === limit ? nodes.at(-1)!.name : null
  return ok({ nodes: nodes.map((node) => shown(node, call.caller)), next })
}

/** Where a node comes from is nobody's business but its own and the operators'. */
const shown = (node: NodeRecord, caller: Identity | undefined): NodeRecord =>
  seesAll(caller, node.name) ? node : { ...node, address: null, client: null }

function readRegistration(body: unknown): NodeChange & { name?: NodeName; groups: readonly GroupName[] } {
  const { name, groups } = body as { name?: unknown; groups: unknown }
  return { ...readChange(body), ...(name === undefined ? {} : { name: parseName(name) }), groups: parseGroups(groups) }
}

/** The schema has seen the shape; the grammar of names and the sizes are protocol's, for REST as for links. */
function readChange(body: unknown): NodeChange {
  const { groups, endpoints, meta } = body as { groups?: unknown; endpoints?: unknown; meta?: unknown }
  return {
    ...(groups === undefined ? {} : { groups: parseGroups(groups) }),
    ...(endpoints === undefined ? {} : { endpoints: parseEndpoints(endpoints) }),
    ...(meta === undefined ? {} : { meta: meta === null ? null : parseMeta(meta) }),
  }
}
