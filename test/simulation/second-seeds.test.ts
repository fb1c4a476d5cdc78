import { countOf } from '../support/full-run.js'
import { playSeeds } from './seeds.js'

// In a file of its own, so that both run at once on two cores.
describe('R23: the real mediator and the test kit, with real nodes, in virtual time', () =>
  playSeeds('second-seeds', 5_001, countOf(10_000, 5_250)))
