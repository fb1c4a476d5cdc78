// Sends, calls and broadcasts what is typed into the form on its page; it answers nothing.
import { run } from '../scaffold/template/src/run.js'

await run({ name: 'active-1', groups: ['demo'], service() {}, sends: true, portSetting: 'FORMATION_ACTIVE_PORT' })
