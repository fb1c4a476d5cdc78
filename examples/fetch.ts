// HTTP between two nodes, by name and sealed: no port, no address, and the mediator sees sizes only.
import { connect, limitBody } from '@sealway/client'
import express from 'express'

const reports = await connect({ name: 'reports-1', groups: ['demo'] })
const app = express()
app.use(reports.middleware({ public: ['GET /health'] }), limitBody({ maxBytes: 1_000_000, types: ['text/*'] }))
app.get('/health', (_req, res) => void res.json({ ok: true }))
app.get('/for', (req, res) => res.sealed({ for: req.sealway?.from }))
app.post('/upper', express.text(), (req, res) => void res.send(String(req.body).toUpperCase()))
reports.expose(app)

const reader = await connect({ name: 'reader-1', reaches: ['demo'] })
const health = await reader.fetch('http://reports-1/health')
console.log(health.status, await health.json())
console.log(await (await reader.fetch('any:demo/for')).json())

const upper = reader.createRequester({ node: 'reports-1', path: '/upper', method: 'POST' })
console.log(await (await upper({ body: 'said to one' })).text())
console.log((await upper({ body: 'x', headers: { 'content-type': 'image/png' } })).status)
for (const { name, response, error } of await reader.fetchAll('group:demo/health')) {
  console.log(name, response?.status ?? error?.code)
}

await Promise.all([reader.drain(), reports.drain()])
