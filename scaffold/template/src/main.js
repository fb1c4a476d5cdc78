import { run } from './run.js'
import { service } from './service.js'

// Two of them need two names: NODE_NAME=other npm start
await run({
  name: process.env.NODE_NAME ?? '__NAME__',
  groups: (process.env.NODE_GROUPS ?? '__GROUP__').split(','),
  service,
  sends: true,
})
