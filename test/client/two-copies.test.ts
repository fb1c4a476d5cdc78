import type * as Client from '../../client-lib/src/index.js'
import { Net } from '../support/net.js'
import { rejection } from '../support/until.js'

/** The library as another module system has loaded it: with classes of its own. */
function copyOf(): typeof Client {
  let copy: typeof Client | undefined
  jest.isolateModules(() => {
    copy = jest.requireActual<typeof Client>('../../client-lib/src/index.js')
  })
  return copy!
}

const [first, second] = [copyOf(), copyOf()]

describe('two copies of the library in one process', () => {
  it('know the errors of each other by instanceof', () => {
    expect(first.SealwayError).not.toBe(second.SealwayError)
    for (const { SealwayError } of [first, second]) {
      expect(new first.SealwayError('TIMEOUT') instanceof SealwayError).toBe(true)
      expect(new second.SealwayError('TIMEOUT') instanceof SealwayError).toBe(true)
      for (const other of [new Error('x'), {}, null, undefined, 'SealwayError', () => {}]) {
        expect((other as unknown) instanceof SealwayError).toBe(false)
      }
    }
  })

  it('leave the usual rule to classes derived from the error', () => {
    class Mine extends first.SealwayError {}
    expect(new Mine('TIMEOUT') instanceof Mine).toBe(true)
    expect(new Mine('TIMEOUT') instanceof second.SealwayError).toBe(true)
    expect(new first.SealwayError('TIMEOUT') instanceof Mine).toBe(false)
  })

  it('answer with the expected errors of each other', async () => {
    const net = new Net()
    try {
      const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
      bob.on('quote', () => {
        throw new second.ExpectedError('NO', 1)
      })
      const error = await rejection(alice.call('bob', 'quote'))
      expect(error).toMatchObject({ code: 'APPLICATION_ERROR', data: { code: 'NO', data: 1 } })
      expect(first.isExpected(error, 'NO')).toBe(true)
    } finally {
      await net.close()
    }
  })
})
