// HTTP to a node by path, by node and path, or by group, node and path, with defaults said once.
import { createServer } from 'node:http'
import { connect } from '@sealway/client'

const reports = await Promise.all(['reports-1', 'reports-2'].map((name) => connect({ name, groups: ['reports'] })))
for (const node of reports) {
  // Any app: Express, Fastify, a function, an http.Server that listens nowhere.
  node.expose(createServer((request, response) => response.end(`${node.name} ${request.method} ${request.url}`)))
}

const reader = await connect({ name: 'reader-1', reaches: ['reports'] })
const ask = reader.createRequester({ group: 'reports', node: 'reports-1', method: 'POST' })

console.log(await (await ask('/daily?day=1')).text()) // reports-1 POST /daily?day=1
console.log(await (await ask('reports-2', '/weekly')).text()) // reports-2 POST /weekly
console.log((await (await ask('reports', undefined, '/any')).text()).slice(10)) // POST /any
console.log((await ask({ path: '/', method: 'DELETE', timeout: 1_000 })).status) // 200

await Promise.all([...reports, reader].map((node) => node.drain()))
