import { PublicRoutes, parseExposed } from '@sealway/protocol'

const routes = new PublicRoutes()
const exposed = parseExposed({ public: ['GET /health', '/assets/*', 'POST /hook', '/a/b'] })

describe('public routes', () => {
  it.each([
    ['GET', '/health'],
    ['HEAD', '/health'],
    ['GET', '/health?deep=1'],
    ['GET', '/assets/'],
    ['DELETE', '/assets/x/y.css?v=2'],
    ['POST', '/hook'],
    ['PUT', '/a/b'],
  ])('are for anybody: %s %s', (method, target) => {
    expect(routes.allows(exposed, method, target)).toBe(true)
  })

  it.each([
    ['POST', '/health'],
    ['GET', '/health/'],
    ['GET', '/healthy'],
    ['GET', '/Health'],
    ['GET', '/hook'],
    ['HEAD', '/hook'],
    ['GET', '/assets'],
    ['GET', '/?/assets/'],
    ['GET', '/'],
    ['get', '/health'],
  ])('are no others: %s %s', (method, target) => {
    expect(routes.allows(exposed, method, target)).toBe(false)
  })

  it.each([
    '/assets/../admin',
    '/assets/./x',
    '/assets/.',
    '/assets//x',
    '/assets/..;/x',
    '/assets/%2e%2E/admin',
    '/assets/%2Fadmin',
    '/assets/%5cadmin',
    '/assets/\\admin',
    '/assets/x%00.css',
  ])('are not what two programs may read differently: %s', (target) => {
    expect(routes.allows(exposed, 'GET', target)).toBe(false)
  })

  it('may hold such texts in their query, which no path is made of', () => {
    expect(routes.allows(exposed, 'GET', '/assets/x?next=../admin')).toBe(true)
  })

  it('are none where none are declared, and follow a new declaration', () => {
    expect(routes.allows(parseExposed({ public: [] }), 'GET', '/health')).toBe(false)
    expect(routes.allows(parseExposed({ public: ['/health'] }), 'POST', '/health')).toBe(true)
    expect(routes.allows(exposed, 'POST', '/health')).toBe(false)
  })
})
