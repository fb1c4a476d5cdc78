import { run } from './run.js'
import { service } from './service.js'

// Two of them need two names: NODE_NAME=other npm start
await run({
  name: process.env.NODE_NAME ?? '__NAME__',
  groups: (process.env.NODE_GROUPS ?? '__GROUP__').split(','),
  // Groups that this service calls without being a member: reaches: ['billing']
  reaches: process.env.NODE_REACHES?.split(',') ?? [],
  service,
  sends: true,
})
