import { silentLog } from '../../server/src/observe/log.js'
import { createRegistry, type RegistryOptions } from '../../server/src/registry/create-registry.js'
import type { Registry } from '../../server/src/registry/registry.js'
import { openDatabase } from '../../server/src/store/database.js'
import { migrate } from '../../server/src/store/migrate.js'
import { patienceMs } from './patience.js'

/** A registry on a fresh, migrated SQLite database in memory. `close()` it at the end of the test. */
export async function memoryRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const db = await openDatabase('sqlite::memory:', silentLog, { connectMs: patienceMs, queryMs: patienceMs })
  await migrate(db)
  return createRegistry(db, { claimWaitMs: patienceMs, ...options })
}
