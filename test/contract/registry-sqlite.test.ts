import { sqliteDatabase } from '../support/databases.js'
import { registryContract } from './registry.js'

describe('registry on SQLite', () => registryContract(sqliteDatabase))
