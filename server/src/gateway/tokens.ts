import { nodeTokenLifeMs, parseGroups, quote } from '@sealway/protocol'
import { checkScopes, memberScopes, reachScopes } from '../auth/scopes.js'
import type { GatewayDeps } from './deps.js'
import { HttpError } from './problem.js'
import { noContent, type Route } from './route.js'
import { ref, tokenSchema } from './schemas.js'

interface TokenBody {
  readonly name: string
  readonly groups?: readonly string[]
  readonly reaches?: readonly string[]
  readonly scopes?: readonly string[]
  readonly lifeMs?: number
}

const tokenIdForm = /^[\w.-]{1,64}$/

/** Issuing and revoking tokens: for operators. */
export function tokenRoutes(deps: Pick<GatewayDeps, 'registry' | 'tokens' | 'clock'>): Route[] {
  const { registry, tokens, clock } = deps
  return [
    {
      id: 'issueToken',
      method: 'post',
      path: '/v1/tokens',
      access: 'admin:write',
      summary: 'Issue a token for a node. Without groups and scopes: it registers itself and sends within its groups.',
      body: tokenSchema(tokens.maxLifeMs),
      answers: { 201: ref('Token') },
      errors: ['INVALID_NAME', 'TOO_LARGE'],
      async handler(call) {
        const body = call.body as TokenBody
        const scopes = [
          ...(body.groups ? parseGroups(body.groups).flatMap((group) => memberScopes(body.name, group)) : []),
          ...(body.reaches ? parseGroups(body.reaches, 'reaches').flatMap(reachScopes) : []),
          ...(body.scopes ?? []),
        ]
        checkScopes(scopes)
        const lifeMs = body.lifeMs ?? Math.min(nodeTokenLifeMs, tokens.maxLifeMs)
        const { token, tokenId, expiresAt } = tokens.mint({ subject: body.name, scopes, lifeMs })
        // Written before it is handed out: a token that nobody can find in the trail is never in use.
        const detail = { tokenId, scopes, expiresAt }
        await registry.audit({ actor: call.actor, action: 'issue-token', subject: body.name, detail })
        return { status: 201, body: { token, id: tokenId, name: body.name, scopes, expiresAt } }
      },
    },
    {
      id: 'revokeToken',
      method: 'delete',
      path: '/v1/tokens/{id}',
      access: 'admin:write',
      summary: 'Revoke a token by its id: refused from now on, and its links are closed. An unknown id is revoked too.',
      answers: { 204: null },
      async handler(call) {
        const id = call.params.get('id')!
        if (!tokenIdForm.test(id)) throw new HttpError('MALFORMED', `${quote(id)} is not the id of a token`)
        // Its own end is not known here; no token lives longer than this.
        await tokens.revoke(id, clock() + tokens.maxLifeMs, call.actor)
        return noContent
      },
    },
  ]
}
