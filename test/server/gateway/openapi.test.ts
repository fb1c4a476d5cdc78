import { Ajv2020 } from 'ajv/dist/2020.js'
import { adminRoutes } from '../../../server/src/gateway/admin-app'
import { publicRoutes } from '../../../server/src/gateway/public-app'
import type { Route } from '../../../server/src/gateway/route'
import { createValidators } from '../../../server/src/gateway/validate'
import { createCaller, type Document, startGateway } from '../../support/gateway'

let gateway: Awaited<ReturnType<typeof startGateway>>
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

const documents = {
  public: async () => ({
    url: gateway.url,
    routes: publicRoutes(gateway.deps),
    ...(await createCaller(gateway.url, '/openapi.json', `Bearer ${gateway.operatorToken('admin:write')}`)),
  }),
  operators: async () => ({
    url: gateway.adminUrl,
    routes: adminRoutes(gateway.deps),
    ...(await createCaller(gateway.adminUrl, '/api/openapi.json', gateway.basic)),
  }),
}

const operations = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
const refsIn = (value: unknown): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [inner as string] : refsIn(inner)))

describe.each(['public', 'operators'] as const)('the OpenAPI document of the %s port', (which) => {
  it('is of version 3.1 and says what it describes', async () => {
    const { document } = await documents[which]()
    expect(document).toMatchObject({
      openapi: '3.1.0',
      info: { title: expect.stringContaining('Sealway') as string, version: '9.9.9' },
    })
    const known = ['openapi', 'info', 'paths', 'components']
    expect(Object.keys(document).filter((key) => !known.includes(key))).toEqual([])
  })

  it('holds every route of the table and no other', async () => {
    const { document, routes } = await documents[which]()
    const told = (list: readonly Pick<Route, 'method' | 'path'>[]) =>
      list.map(({ method, path }) => `${method} ${path}`).sort()
    expect(told(operations(document) as Pick<Route, 'method' | 'path'>[])).toEqual(told(routes))
  })

  it('names each operation once, with its parameters and answers', async () => {
    const { document } = await documents[which]()
    const all = operations(document)
    expect(new Set(all.map(({ operation }) => operation.operationId)).size).toBe(all.length)
    for (const { path, operation } of all) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? [])
      expect(inPath.every(({ required }) => required)).toBe(true)
      expect(Object.keys(operation.responses).filter((status) => !/^[2-5]\d\d$/.test(status))).toEqual([])
      expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true)
    }
  })

  it('has no reference that leads nowhere, and schemas that compile', async () => {
    const { document } = await documents[which]()
    for (const ref of refsIn(document)) {
      expect(document.components.schemas).toHaveProperty([ref.replace('#/components/schemas/', '')])
    }
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
    ajv.addVocabulary(['openapi', 'info', 'paths', 'components'])
    ajv.addSchema({ ...document, $id: 'doc' })
    for (const name of Object.keys(document.components.schemas)) {
      expect(typeof ajv.compile({ $ref: `doc#/components/schemas/${name}` })).toBe('function')
    }
    for (const { operation } of operations(document)) {
      for (const { schema } of operation.parameters ?? []) expect(ajv.validateSchema(schema)).toBe(true)
      const body = operation.requestBody?.content['application/json']?.schema
      if (body) expect(ajv.validateSchema(body)).toBe(true)
    }
  })

  it('is of routes whose bodies and queries can be checked, and are', async () => {
    const validatorFor = createValidators()
    const { routes } = await documents[which]()
    for (const route of routes) {
      const { query, body } = validatorFor(route)
      expect(() => query({ nonsense: '1' })).toThrow('must not have "nonsense"')
      if (route.body) expect(() => body(7)).toThrow('body must be object')
    }
  })

  it('says truly which routes anybody may call', async () => {
    const { document, url } = await documents[which]()
    for (const { path, method, operation } of operations(document)) {
      const response = await fetch(url + path.replace(/\{\w+\}/g, 'x'), { method: method.toUpperCase() })
      const isPublic = operation.security.length === 0
      expect([path, method, response.status === 401]).toEqual([path, method, !isPublic])
    }
  })
})
