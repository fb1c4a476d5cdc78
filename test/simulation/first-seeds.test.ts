import { countOf } from '../support/full-run.js'
import { playSeeds } from './seeds.js'

describe('R23: the real mediator and the test kit, with real nodes, in virtual time', () =>
  playSeeds('first-seeds', 1, countOf(5_000, 250)))
