import express from 'express'
import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net'
import { rejection } from '../../support/until'

let net: Net
let client: Node
beforeEach(async () => {
  net = new Net()
  client = await net.join('client', { groups: ['g', 'h'] })
  for (const [name, groups] of Object.entries({ one: ['g'], two: ['h'] })) {
    const app = express().use(express.text(), (req, res) => {
      const { a, b } = req.headers
      res.json([name, req.sealway?.group, req.method, req.url, req.body ?? null, a ?? null, b ?? null])
    })
    ;(await net.join(name, { groups })).expose(app)
  }
})
afterEach(() => net.close())

const told = async (response: Promise<Response>): Promise<unknown> => (await response).json()
const nothing = [null, null, null]

it('asks with its defaults, and with what differs', async () => {
  const request = client.createRequester({ group: 'g', path: '/base' })
  expect(await told(request())).toEqual(['one', 'g', 'GET', '/base', ...nothing])
  expect(await told(request('/other?x=1'))).toEqual(['one', 'g', 'GET', '/other?x=1', ...nothing])
  expect(await told(request('two', 'path'))).toEqual(
    ['two', undefined, 'GET', '/path', ...nothing].map((one) => one ?? null),
  )
  expect(await told(request('h', undefined, '/any'))).toEqual(['two', 'h', 'GET', '/any', ...nothing])
  expect(await told(request('h', 'one', '/x'))).toEqual(['one', null, 'GET', '/x', ...nothing])
})

it('puts headers together, and lets everything else be replaced', async () => {
  const request = client.createRequester({
    node: 'one',
    method: 'POST',
    headers: { a: '1', b: '1', 'content-type': 'text/plain' },
  })
  const response = await told(request({ path: '/p', body: 'text', headers: { B: '2' } }))
  expect(response).toEqual(['one', null, 'POST', '/p', 'text', '1', '2'])
  expect(await told(request({ group: 'h', method: 'GET' }))).toEqual(['two', 'h', 'GET', '/', null, '1', '1'])
})

it('needs somebody to ask', async () => {
  expect(await rejection(client.createRequester()('/path'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
})
