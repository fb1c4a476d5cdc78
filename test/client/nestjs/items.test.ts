import { from, NEVER, of, range, Subject } from 'rxjs'
import { maxWaitingValues, ObservedItems, oneValue } from '../../../client-lib/src/nestjs/items.js'
import { rejection } from '../../support/until.js'

const collect = async (items: AsyncIterable<unknown>): Promise<unknown[]> => {
  const all: unknown[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('the values of an observable, read one by one', () => {
  it('come in order, those that came before they were read too', async () => {
    expect(await collect(new ObservedItems(from(['a', 'b', 'c'])))).toEqual(['a', 'b', 'c'])
  })

  it('are not asked for before somebody reads', async () => {
    const subject = new Subject<number>()
    const items = new ObservedItems(subject)
    expect(subject.observed).toBe(false)
    const first = items.next()
    expect(subject.observed).toBe(true)
    subject.next(1)
    expect(await first).toEqual({ done: false, value: 1 })
    await items.return()
    expect(subject.observed).toBe(false)
    expect(await items.next()).toEqual({ done: true, value: undefined })
  })

  it('before an error are read before it', async () => {
    const subject = new Subject<number>()
    const items = new ObservedItems(subject)
    const first = items.next()
    for (const value of [1, 2]) subject.next(value)
    subject.error(new Error('broken'))
    expect((await first).value).toBe(1)
    expect((await items.next()).value).toBe(2)
    expect((await rejection(items.next())).message).toBe('broken')
  })

  it('that come faster than they are read are given up with BUSY, where the observable does not end by itself too', async () => {
    for (const source of [range(0, maxWaitingValues + 10), range(0, Number.MAX_SAFE_INTEGER)]) {
      const error = await rejection(collect(new ObservedItems(source)))
      expect(error.code).toBe('BUSY')
    }
  })
})

describe('the one value of an observable', () => {
  const { signal } = new AbortController()

  it('is its value, or undefined', async () => {
    expect(await oneValue(of(7), signal)).toBe(7)
    expect(await oneValue(from([]), signal)).toBeUndefined()
  })

  it('is a stream where there are two', async () => {
    const two = await oneValue(range(0, Number.MAX_SAFE_INTEGER), signal)
    expect(typeof (two as AsyncIterable<unknown>)[Symbol.asyncIterator]).toBe('function')
  })

  it('is not waited for when nobody wants it any more', async () => {
    const gone = new AbortController()
    const waiting = rejection(oneValue(NEVER, gone.signal))
    gone.abort(new Error('gave up'))
    expect((await waiting).message).toBe('gave up')
    expect((await rejection(oneValue(NEVER, gone.signal))).message).toBe('gave up')
  })
})
