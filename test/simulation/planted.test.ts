import { Kind, SealwayError } from '@sealway/protocol'
import * as flow from '../../client-lib/src/crypto/flow.js'
import { ReplayWindow } from '../../client-lib/src/crypto/window.js'
import { Answers } from '../../client-lib/src/messaging/answers.js'
import { Call, Calls } from '../../client-lib/src/messaging/calls.js'
import { Deadlines } from '../../client-lib/src/messaging/deadlines.js'
import { Emitter } from '../../client-lib/src/messaging/events.js'
import { Inbox } from '../../client-lib/src/messaging/inbox.js'

import { KnownIds } from '../../client-lib/src/messaging/outcomes.js'
import { Outlet } from '../../client-lib/src/messaging/outlet.js'
import { Inbound } from '../../client-lib/src/messaging/streams/inbound.js'
import { Streams } from '../../client-lib/src/messaging/streams/streams.js'
import { simulate } from './scenario.js'

// A function of a module cannot be replaced in place; this one is wrapped, and does what it did until a test says otherwise.
jest.mock('../../client-lib/src/crypto/flow', () => wrapped('../../client-lib/src/crypto/flow', 'deriveFlowKey'))
function wrapped(path: string, name: string): object {
  const real = jest.requireActual<{ readonly [name: string]: () => unknown }>(path)
  return { ...real, [name]: jest.fn(real[name]) }
}

/** What is not public, and where bugs are planted. */
type Parts = { [name: string]: unknown }
type Method = (this: Parts, ...args: never[]) => unknown

interface Bug {
  readonly name: string
  /** Makes it. @returns how to take it away again */
  readonly plant: () => () => void
  /** How the checker speaks of it. */
  readonly shows: RegExp
  /** Within so many seeds. */
  readonly within: number
}

/** Puts another method in the place of one. */
function replace(owner: { prototype: object }, name: string, by: (real: Method) => Method): () => void {
  const prototype = owner.prototype as Parts
  const real = prototype[name] as Method
  if (typeof real !== 'function') throw new Error(`there is no ${name} to plant a bug in`)
  prototype[name] = by(real)
  return () => {
    prototype[name] = real
  }
}

const bugs: readonly Bug[] = [
  {
    name: 'the replay window is off',
    plant: () => replace(ReplayWindow, 'check', () => () => 'new'),
    shows: /was handled \d times/,
    within: 50,
  },
  {
    name: 'a message is acknowledged before it is handled',
    plant: () =>
      replace(
        Answers,
        'dispatch',
        (real) =>
          function (this: Parts, delivery: { readonly kind: number }) {
            if (delivery.kind === Kind.acked) (this.reply as Method).call(this, delivery as never, 0 as never)
            return real.call(this, delivery as never)
          } as Method,
      ),
    shows: /has a receipt, and no handler had done it/,
    within: 50,
  },
  {
    name: 'the same id is handled twice',
    plant: () => replace(KnownIds, 'seen', () => () => undefined),
    shows: /was handled 2 times/,
    within: 100,
  },
  {
    name: 'what broke on the way is said to be not delivered',
    plant: () =>
      replace(
        Call,
        'fail',
        (real) =>
          function (this: Parts, { code, message }: SealwayError) {
            return real.call(this, new SealwayError(code, { message, outcome: 'not-delivered' }) as never)
          } as Method,
      ),
    shows: /was said to be not delivered/,
    within: 50,
  },
  {
    name: 'a call gets the reply to another',
    plant: () =>
      replace(
        Calls,
        'get',
        (real) =>
          function (this: Parts, corr: number) {
            return real.call(this, (corr - 1) as never) ?? real.call(this, corr as never)
          } as Method,
      ),
    shows: /the answer to something else|no handler had/,
    within: 50,
  },
  {
    name: 'frames that come late are handed on',
    plant: () => replace(Inbox, 'isLate', (real) => late(real, () => false)),
    shows: /was handled by .* before op/,
    within: 200,
  },
  {
    name: 'the key of a flow does not bind its sender',
    plant: () => {
      const { deriveFlowKey } = jest.requireActual<typeof flow>('../../client-lib/src/crypto/flow')
      const mock = jest.mocked(flow.deriveFlowKey)
      mock.mockImplementation((key, salt, _, to, scope) => deriveFlowKey(key, salt, 'anybody', to, scope))
      return () => mock.mockImplementation(deriveFlowKey)
    },
    shows: /was handled by .* as from/,
    within: 100,
  },
  {
    name: 'a gap is not reported',
    plant: () =>
      replace(
        Emitter,
        'emit',
        (real) =>
          function (this: Parts, name: string, event: unknown) {
            return name === 'gap' ? undefined : real.call(this, name as never, event as never)
          } as Method,
      ),
    shows: /and nobody was told/,
    within: 200,
  },
  {
    name: 'a call is forgotten when the link breaks',
    plant: () =>
      replace(
        Calls,
        'linkLost',
        () =>
          function (this: Parts) {
            for (const pending of [...(this.pending as Map<number, Call>).values()]) {
              if (!pending.flow || pending.kept) continue
              ;(pending as unknown as { stopWatch(): void }).stopWatch()
              ;(this.forget as Method).call(this, pending as never)
            }
          } as Method,
      ),
    shows: /never ended/,
    within: 100,
  },
  {
    name: 'credit is ignored',
    plant: () => {
      const real = Object.getOwnPropertyDescriptor(Outlet.prototype, 'ready')!
      const get = function (this: { held: boolean; parts: { linkReady(): boolean } }): boolean {
        return !this.held && this.parts.linkReady()
      }
      Object.defineProperty(Outlet.prototype, 'ready', { ...real, get })
      return () => void Object.defineProperty(Outlet.prototype, 'ready', real)
    },
    shows: /without credit/,
    within: 100,
  },
  {
    // Two things keep it from that: each gap breaks the streams of its sender, and each item says where it belongs.
    name: 'a stream goes on over what it lost',
    plant: () => {
      const deaf = replace(Streams, 'gap', () => () => undefined)
      const blind = replace(
        Inbound,
        'push',
        (real) =>
          function (this: Parts, offset: number, ...rest: never[]) {
            this.offset = offset
            return real.call(this, offset as never, ...rest)
          } as Method,
      )
      return () => {
        deaf()
        blind()
      }
    },
    shows: /of its stream is/,
    within: 500,
  },
  {
    name: 'a deadline is not kept',
    plant: () =>
      replace(
        Deadlines,
        'add',
        (real) =>
          function (this: Parts, item: never, ms: number) {
            return real.call(this, item, (ms * 1.5) as never)
          } as Method,
      ),
    shows: /ended after \d+ ms, where it had/,
    within: 50,
  },
]

/** Asks the real one, for what it does besides, and answers otherwise. */
const late = (real: Method, answer: () => boolean): Method =>
  function (this: Parts, ...args: never[]) {
    real.call(this, ...args)
    return answer()
  } as Method

describe('the checker finds a planted bug:', () => {
  it.each(bugs.map((bug) => [bug.name, bug] as const))('%s', async (_, { plant, shows, within }) => {
    const remove = plant()
    let found: string | undefined
    let seed = 0
    try {
      while (found === undefined && seed < within) {
        const { violations } = await simulate(++seed)
        found = violations.find((violation) => shows.test(violation))
      }
    } finally {
      remove()
    }
    expect([seed, found]).toEqual([seed, expect.stringMatching(shows)])
    // And only while it is there.
    expect((await simulate(seed)).violations).toEqual([])
  })
})
