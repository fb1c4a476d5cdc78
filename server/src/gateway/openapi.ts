import { type Code, httpStatusOf, problemType } from '@sealway/protocol'
import { events, type JsonSchema, octets, pathParams, plainText, type Route } from './route.js'
import { components, ref } from './schemas.js'

export interface OpenApiOptions {
  readonly title: string
  readonly version: string
  readonly security: { readonly [scheme: string]: JsonSchema }
  /** What authentication may answer besides 401. */
  readonly refusals?: readonly Code[]
}

/** The OpenAPI 3.1 document of a table of routes. */
export function openApi(routes: readonly Route[], { title, version, security, refusals = [] }: OpenApiOptions) {
  const paths = new Map<string, { [method: string]: unknown }>()
  for (const route of routes) {
    const path = paths.get(route.path) ?? {}
    path[route.method] = operation(route, Object.keys(security), refusals)
    paths.set(route.path, path)
  }
  return {
    openapi: '3.1.0',
    info: { title, version, license: { name: 'MIT', identifier: 'MIT' } },
    paths: Object.fromEntries(paths),
    components: { schemas: components, securitySchemes: security },
  }
}

function operation(route: Route, schemes: readonly string[], refusals: readonly Code[]) {
  const scope =
    route.access === 'admin:read' || route.access === 'admin:write' ? ` Needs the scope ${route.access}.` : ''
  return {
    operationId: route.id,
    summary: route.summary,
    ...(scope === '' ? {} : { description: scope.trim() }),
    security: route.access === 'public' ? [] : schemes.map((scheme) => ({ [scheme]: [] })),
    ...(parameters(route).length === 0 ? {} : { parameters: parameters(route) }),
    ...(requestContent(route) ? { requestBody: { required: true, content: requestContent(route) } } : {}),
    responses: responses(route, refusals),
  }
}

function requestContent({ body, bytes }: Route) {
  if (bytes) return { 'application/octet-stream': {}, 'application/json': { schema: frameSchema } }
  return body ? { 'application/json': { schema: body } } : undefined
}

const frameSchema: JsonSchema = {
  type: 'object',
  properties: { frame: { type: 'string', contentEncoding: 'base64' } },
  required: ['frame'],
}

function answerContent(schema: JsonSchema) {
  if (schema === octets) return { 'application/octet-stream': {} }
  if (schema === plainText) return { 'text/plain': { schema: { type: 'string' } } }
  if (schema === events) return { 'application/octet-stream': {}, 'text/event-stream': {} }
  return { 'application/json': { schema } }
}

const parameters = (route: Route) => [
  ...pathParams(route.path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
  ...Object.entries(route.query ?? {}).map(([name, schema]) => ({ name, in: 'query', required: false, schema })),
]

function responses(route: Route, refusals: readonly Code[]) {
  const good = Object.entries(route.answers).map(([status, schema]) => [
    status,
    {
      description: Number(status) < 400 ? 'done' : 'not now',
      ...(schema ? { content: answerContent(schema) } : {}),
    },
  ])
  const bad = [...errorsByStatus(route, refusals)].map(([status, codes]) => [
    String(status),
    {
      description: [...codes].join(', '),
      content: { [problemType]: { schema: ref('Problem') } },
    },
  ])
  // A status that a good answer has as well (readiness, 503) keeps its own description.
  return Object.fromEntries([...bad, ...good])
}

/** What may go wrong with any route of this shape, and what the route names. */
function errorsByStatus(route: Route, refusals: readonly Code[]): Map<number, Set<Code>> {
  const byStatus = new Map<number, Set<Code>>()
  const add = (status: number, code: Code) => byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code))
  const codes: Code[] = [
    'MALFORMED',
    ...(route.access === 'public' ? [] : (['UNAUTHORIZED', 'FORBIDDEN', 'STORAGE_UNAVAILABLE', ...refusals] as const)),
    ...(route.body ? (['TOO_LARGE', 'STORAGE_FULL'] as const) : []),
    ...(route.bytes ? (['TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
    ...(route.errors ?? []),
    'INTERNAL',
  ]
  for (const code of codes) add(httpStatusOf(code), code)
  if (route.body) add(415, 'MALFORMED')
  return new Map([...byStatus].sort(([a], [b]) => a - b))
}
