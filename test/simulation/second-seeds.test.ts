import { playSeeds } from './seeds.js'

// In a file of its own, so that both run at once on two cores.
describe('the real mediator and the test kit, with real nodes, in virtual time', () =>
  playSeeds('second-seeds', 1_001, 2_000))
