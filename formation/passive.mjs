// Listens, and shows on its page what arrived and what it answered.
import { run } from '../scaffold/template/src/run.js'
import { service } from '../scaffold/template/src/service.js'

await run({ name: 'passive-1', groups: ['demo'], service, sends: false, portSetting: 'FORMATION_PASSIVE_PORT' })
