import type { GatewayDeps } from './deps.js'
import { ok, type Route } from './route.js'
import { ref } from './schemas.js'

/** Who changed what, and when: for operators. */
export const auditRoutes = ({ registry }: Pick<GatewayDeps, 'registry'>): Route[] => [
  {
    id: 'listAudit',
    method: 'get',
    path: '/v1/audit',
    access: 'admin:read',
    summary: 'The audit trail, newest first, page by page.',
    query: {
      before: { type: 'integer', minimum: 1 },
      limit: { type: 'integer', minimum: 1, maximum: 1_000, default: 100 },
    },
    answers: { 200: ref('AuditPage') },
    async handler(call) {
      const { before, limit = 100 } = call.query as { before?: number; limit?: number }
      const entries = await registry.auditTrail({ limit, ...(before === undefined ? {} : { before }) })
      return ok({ entries, next: entries.length === limit ? entries.at(-1)!.id : null })
    },
  },
]
