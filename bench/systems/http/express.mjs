/** Express with http-proxy, as a gateway of some lines. `keepAlive`: with an agent, as its documentation advises for load. */
import { Agent, createServer } from 'node:http'
import express from 'express'
import httpProxy from 'http-proxy'
import { listening } from '../../harness/listening.mjs'

const [appPort, keepAlive] = process.argv.slice(2)
const target = `http://127.0.0.1:${appPort}`
const proxy = httpProxy.createProxyServer(
  keepAlive === 'keep-alive' ? { agent: new Agent({ keepAlive: true, maxSockets: 256 }) } : {},
)
const app = express()
app.use((request, response) => {
  proxy.web(request, response, { target }, (error) => {
    if (!response.headersSent) response.writeHead(502)
    response.end(String(error))
  })
})
const server = createServer(app)
server.listen(0, '127.0.0.1', 1_024, () => {
  listening({ port: /** @type {import('node:net').AddressInfo} */ (server.address()).port })
})
