import { parsePolicy, parsePolicyName } from '@sealway/protocol'
import type { GatewayDeps } from './deps.js'
import { noContent, ok, type Route } from './route.js'
import { policySchema, ref } from './schemas.js'

const action = { type: 'string', minLength: 1, maxLength: 255, description: 'absent: the policy for all actions' }

/** Policies for traffic: operators decide, nodes read them and are told of changes on their links. */
export function policyRoutes(deps: Pick<GatewayDeps, 'registry' | 'policiesChanged'>): Route[] {
  const { registry, policiesChanged } = deps
  return [
    {
      id: 'listPolicies',
      method: 'get',
      path: '/v1/policies',
      access: 'token',
      summary: 'All policies for traffic, by target and action.',
      answers: { 200: ref('PolicyList') },
      handler: async () => ok({ policies: await registry.policies() }),
    },
    {
      id: 'setPolicy',
      method: 'post',
      path: '/v1/policies',
      access: 'admin:write',
      summary: 'Set the policy of a target and action, in place of the one before. Connected nodes follow it at once.',
      body: policySchema,
      answers: { 200: ref('Policy'), 201: ref('Policy') },
      errors: ['INVALID_NAME', 'TOO_LARGE', 'CONFLICT'],
      async handler(call) {
        const { policy, created } = await registry.setPolicy(parsePolicy(call.body), call.actor)
        await policiesChanged()
        return { status: created ? 201 : 200, body: policy }
      },
    },
    {
      id: 'removePolicy',
      method: 'delete',
      path: '/v1/policies/{target}',
      access: 'admin:write',
      summary: 'Remove the policy of a target, for all actions or the one that is named.',
      query: { action },
      answers: { 204: null },
      errors: ['NOT_FOUND', 'INVALID_NAME'],
      async handler(call) {
        const name = parsePolicyName(call.params.get('target'), call.query.action)
        await registry.removePolicy(name.target, name.action, call.actor)
        await policiesChanged()
        return noContent
      },
    },
  ]
}
