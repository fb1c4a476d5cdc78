import { playSeeds } from './seeds.js'

describe('the real mediator and the test kit, with real nodes, in virtual time', () =>
  playSeeds('first-seeds', 1, 1_000))
