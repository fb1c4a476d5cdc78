import { mysqlDatabase } from '../support/databases.js'
import { registryContract } from './registry.js'

describe('registry on MySQL', () => registryContract(mysqlDatabase))
