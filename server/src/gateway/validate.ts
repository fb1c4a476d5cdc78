import { quote } from '@sealway/protocol'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { HttpError } from './problem.js'
import type { JsonSchema, Route } from './route.js'

export interface Validator {
  /** @throws HttpError `MALFORMED`, naming the field */
  body(value: unknown): unknown
  /** Texts of a query as the types of their schemas. @throws HttpError `MALFORMED` */
  query(value: { readonly [name: string]: unknown }): { readonly [name: string]: unknown }
}

/**
 * Checks by the schemas of routes, on two compilers: one takes bodies as they are, one turns the texts of a query into
 * numbers and booleans. The first error ends a check: a large wrong body costs no more than a small one. A schema is
 * compiled when it is first needed: all of them together would be half of what a mediator takes to start.
 */
export function createValidators(): (route: Route) => Validator {
  const bodies = new Ajv2020({ strict: true, validateSchema: false })
  const queries = new Ajv2020({ strict: true, validateSchema: false, coerceTypes: true })
  return (route) => validatorOf(route, bodies, queries)
}

function validatorOf(route: Route, bodies: Ajv2020, queries: Ajv2020): Validator {
  let checkBody: ValidateFunction | undefined
  let checkQuery: ValidateFunction | undefined
  return {
    body(value) {
      if (!route.body) return value
      checkBody ??= bodies.compile(route.body)
      if (!checkBody(value)) throw invalid('body', checkBody.errors)
      return value
    },
    query(value) {
      // A copy of own properties, which ajv may coerce.
      const copy = Object.fromEntries(Object.entries(value))
      checkQuery ??= queries.compile(querySchema(route))
      if (!checkQuery(copy)) throw invalid('query', checkQuery.errors)
      return copy
    },
  }
}

const querySchema = (route: Route): JsonSchema => ({
  type: 'object',
  properties: route.query ?? {},
  additionalProperties: false,
})

function invalid(what: string, errors: readonly ErrorObject[] | null | undefined): HttpError {
  const error = errors?.[0]
  const where = `${what}${error?.instancePath.replaceAll('/', '.') ?? ''}`
  const extra = (error?.params as { additionalProperty?: string } | undefined)?.additionalProperty
  const detail =
    extra === undefined ? `${where} ${error?.message ?? 'is not valid'}` : `${where} must not have ${quote(extra)}`
  return new HttpError('MALFORMED', detail)
}
