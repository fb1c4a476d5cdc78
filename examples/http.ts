// A web app that listens on no port: it is asked by its name, through the mediator. `node examples/dist/http.js`, then
// `curl http://127.0.0.1:4567/one/web/web-1/hello/you`; or, sealed, from another node: `node.fetch('http://web-1/hello/you')`.
import { connect } from '@sealway/client'
import express from 'express'
import { loadSecrets } from './environment.js'
import { drainOnSignal, giveUp, logger, say } from './terminal.js'

const app = express()

app.get('/hello/:name', (request, response) => {
  // Who asks is known where another node does; over HTTP the mediator has read along, and says from where.
  const who = request.sealway?.from ?? `somebody at ${request.ip}`
  say(`${who} says hello`)
  response.json({ hello: request.params.name, from: who })
})

// Comes as it is made, until the client has enough.
app.get('/ticks', (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  let tick = 0
  const timer = setInterval(() => response.write(`data: ${++tick}\n\n`), 100)
  response.on('close', () => clearInterval(timer))
})

app.get('/secret', (_request, response) => void response.send('only with a token\n'))

await loadSecrets()
const node = await connect({ name: 'web-1', groups: ['web'], timeout: Infinity, logger }).catch(giveUp)
drainOnSignal(node)
await node.expose(app, { public: ['GET /hello/*', 'GET /ticks'] }).ready
say(`${node.name} serves HTTP in the group web`)
await node.closed
