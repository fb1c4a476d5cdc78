import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Browser } from 'playwright-core'
import { WebSocketServer } from 'ws'
import { openBrowser } from '../support/chromium'
import { Formation } from '../support/formation'
import { tokenFor } from '../support/link'

/** A page of another origin, in a real browser, that asks a node through a mediator. */
let formation: Formation
let browser: Browser
let pages: Server
beforeAll(async () => {
  formation = await Formation.start()
  browser = await openBrowser()
  pages = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end('<!doctype html><title>a page</title>')
  })
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  await browser?.close()
  pages?.closeAllConnections()
  await new Promise((resolve) => pages?.close(resolve))
  await formation?.close()
})

it('a page of another origin uses fetch, forms, events and WebSockets, as the app allows it', async () => {
  const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`
  const app = express()
  app.use((request, response, next) => {
    response.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': 'X-Mine' })
    if (request.method !== 'OPTIONS') return next()
    response.set({
      'Access-Control-Allow-Headers': 'authorization, content-type',
      'Access-Control-Allow-Methods': 'PUT',
    })
    response.sendStatus(204)
  })
  app.put('/json', express.json(), (request, response) => void response.set('X-Mine', 'yes').json(request.body))
  app.post('/form', async (request, response) => {
    const headers = { 'content-type': request.headers['content-type']! }
    const form = await new Request('http://x', {
      method: 'POST',
      headers,
      body: request,
      duplex: 'half',
    } as never).formData()
    response.json([...form.keys(), (form.get('file') as File).size])
  })
  app.get('/events', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: one\n\n')
    response.write('data: two\n\n')
  })
  const server = createServer(app)
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`back: ${data}`))
  })
  const node = await formation.join('app', 'tcp')
  await node.expose(server, { public: ['OPTIONS /*', '/form', 'GET /events', 'UPGRADE /socket'] }).ready

  const page = await browser.newPage()
  await page.goto(origin)
  const url = `${formation.started.url}/one/g/app`
  const authorization = `Bearer ${tokenFor(formation.started.jwtSecret, 'page', { scopes: ['http:app'] }).token}`
  const seen = await page.evaluate(
    async ({ url, authorization }) => {
      const put = { method: 'PUT', body: '{"a":1}', headers: { authorization, 'content-type': 'application/json' } }
      const json = await fetch(`${url}/json`, put)
      const form = new FormData()
      form.append('name', 'x')
      form.append('file', new Blob([new Uint8Array(100_000)]), 'a.bin')
      const events = new EventSource(`${url}/events`)
      const heard: unknown[] = []
      await new Promise<void>((resolve) => {
        events.onmessage = ({ data }) => {
          if (heard.push(data) === 2) resolve()
        }
      })
      events.close()
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket`)
      const back = await new Promise((resolve) => {
        socket.onopen = () => socket.send('there')
        socket.onmessage = ({ data }) => resolve(data)
      })
      socket.close()
      return {
        json: [json.status, json.headers.get('x-mine'), await json.json()],
        form: await (await fetch(`${url}/form`, { method: 'POST', body: form })).json(),
        heard,
        back,
        untold: await fetch(`${url}/json`, { ...put, headers: {} }).catch((error: Error) => error.name),
      }
    },
    { url, authorization },
  )
  expect(seen).toEqual({
    json: [200, 'yes', { a: 1 }],
    form: ['name', 'file', 100_000],
    heard: ['one', 'two'],
    back: 'back: there',
    // The mediator refuses it, and lets no page of another origin read why.
    untold: 'TypeError',
  })
})
