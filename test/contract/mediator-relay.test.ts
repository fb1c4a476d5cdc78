import { World } from '../support/relay.js'
import { describeMediator, type MediatorWorld } from './mediator.js'

describeMediator('the mediator', (limits): MediatorWorld => {
  const world = new World(limits ? { limits } : {})
  return {
    connect: (from) => world.connect(from),
    tokenOf: (name) => world.token(name).token,
    settle: () => world.settle(),
    advance: (ms) => world.advance(ms),
    drain: () => {
      const state = { done: false }
      void world.relay.drain(new AbortController().signal).then(() => {
        state.done = true
      })
      return state
    },
  }
})
