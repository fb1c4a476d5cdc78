// Does both: it is what `sealway create` makes.
import { run } from '../scaffold/template/src/run.js'
import { service } from '../scaffold/template/src/service.js'

await run({ name: 'standalone-1', groups: ['demo'], service, sends: true, portSetting: 'FORMATION_STANDALONE_PORT' })
