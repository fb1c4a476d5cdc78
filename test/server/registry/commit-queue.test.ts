import { SealwayError } from '@sealway/protocol'
import { CommitQueue, type Settled } from '../../../server/src/registry/commit-queue.js'

interface Entry {
  readonly key: string | undefined
  readonly value: number
}

const entry = (value: number, key?: string): Entry => ({ key, value })
/** Lets every promise that can go on do so. */
const turn = () => jest.advanceTimersByTimeAsync(0)

describe('commit queue', () => {
  let batches: number[][]
  /** Ends the batch that runs; by default each entry is done with its own value. */
  let finish: (settled?: Settled<number>[], error?: unknown) => void
  let abandoned: number[]
  let queue: CommitQueue<Entry, number>

  beforeEach(() => {
    jest.useFakeTimers()
    batches = []
    abandoned = []
    queue = new CommitQueue<Entry, number>({
      key: (one) => one.key,
      run(batch) {
        batches.push(batch.map((one) => one.value))
        return new Promise((resolve, reject) => {
          finish = (settled, error) =>
            error === undefined ? resolve(settled ?? batch.map((one) => ({ done: one.value }))) : reject(error)
        })
      },
      abandoned: (one) => abandoned.push(one.value),
      maxBatch: 4,
      maxWaiting: 6,
      lingerMs: 2,
      waitMs: 5_000,
    })
  })
  afterEach(() => jest.useRealTimers())

  it('gathers what arrives within 2 ms into one batch, in order', async () => {
    const first = queue.add(entry(1))
    await jest.advanceTimersByTimeAsync(1)
    const second = queue.add(entry(2))
    expect(batches).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    expect(batches).toEqual([[1, 2]])
    finish()
    expect(await Promise.all([first, second])).toEqual([1, 2])
  })

  it('does not wait once a batch is full, and gathers the next while it runs', async () => {
    const all = [1, 2, 3, 4, 5, 6].map((value) => queue.add(entry(value)))
    expect(batches).toEqual([[1, 2, 3, 4]])
    finish()
    await turn()
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ])
    finish()
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('never has two entries of one key in a batch, and keeps their order', async () => {
    const all = [entry(1, 'a'), entry(2, 'a'), entry(3, 'b'), entry(4, 'a')].map((one) => queue.add(one))
    for (const expected of [[1, 3], [2], [4]]) {
      expect(batches.at(-1)).toEqual(expected)
      finish()
      await turn()
    }
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4])
  })

  it('starts again for an entry that is added when the last batch has just ended', async () => {
    const first = queue.add(entry(1)).then((value) => queue.add(entry(value + 1)))
    await jest.advanceTimersByTimeAsync(2)
    finish()
    await jest.advanceTimersByTimeAsync(2)
    expect(batches).toEqual([[1], [2]])
    finish()
    expect(await first).toBe(2)
  })

  it('refuses more than its bound with OVERLOADED', async () => {
    const running = [1, 2, 3, 4].map((value) => queue.add(entry(value)))
    const waiting = [5, 6, 7, 8, 9, 10].map((value) => queue.add(entry(value)))
    await expect(queue.add(entry(11))).rejects.toMatchObject({ code: 'OVERLOADED', outcome: 'not-delivered' })
    finish()
    await turn()
    finish()
    await turn()
    finish()
    expect(await Promise.all([...running, ...waiting])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('fails one entry without the others', async () => {
    const all = [1, 2, 3, 4].map((value) => queue.add(entry(value)))
    finish([{ done: 1 }, { failed: new SealwayError('CONFLICT') }, { done: 3 }, { done: 4 }])
    expect((await Promise.allSettled(all)).map((outcome) => outcome.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
  })

  it('tries an entry again that lost, ahead of those that came later, and gives up after ten times', async () => {
    const loser = queue.add(entry(1))
    loser.catch(() => {})
    await jest.advanceTimersByTimeAsync(2)
    const later = queue.add(entry(2))
    for (let i = 0; i < 10; i++) {
      expect(batches.at(-1)![0]).toBe(1)
      finish(batches.at(-1)!.length === 1 ? ['again'] : ['again', { done: 2 }])
      await turn()
    }
    await expect(loser).rejects.toMatchObject({ code: 'CONFLICT', outcome: 'not-delivered' })
    expect(await later).toBe(2)
    expect(batches).toHaveLength(10)
  })

  it('keeps trying a database that does not answer, for 5 s', async () => {
    const gone = new SealwayError('STORAGE_UNAVAILABLE', { outcome: 'not-delivered' })
    const early = queue.add(entry(1))
    const refused = expect(early).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', afterMs: 5_000 })
    await jest.advanceTimersByTimeAsync(2)
    for (let ms = 0; ms < 4_000; ms += 200) {
      finish(undefined, gone)
      await jest.advanceTimersByTimeAsync(200)
    }
    const late = queue.add(entry(2))
    for (let ms = 0; ms < 1_000; ms += 200) {
      finish(undefined, gone)
      await jest.advanceTimersByTimeAsync(200)
    }
    await refused
    expect(batches.at(-1)).toEqual([2])
    finish()
    expect(await late).toBe(2)
  })

  it('tries nothing again whose commit may have happened', async () => {
    const one = queue.add(entry(1))
    const refused = expect(one).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'unknown' })
    await jest.advanceTimersByTimeAsync(2)
    finish(undefined, new SealwayError('STORAGE_UNAVAILABLE', { outcome: 'unknown' }))
    await refused
    await jest.advanceTimersByTimeAsync(10_000)
    expect(batches).toEqual([[1]])
  })

  it('gives a full disk to everyone of the batch, and goes on with the next', async () => {
    const all = Promise.allSettled([1, 2, 3, 4, 5].map((value) => queue.add(entry(value))))
    finish(undefined, new SealwayError('STORAGE_FULL', { outcome: 'not-delivered' }))
    await turn()
    finish()
    expect((await all).map((one) => (one.status === 'rejected' ? one.reason.code : one.value))).toEqual([
      'STORAGE_FULL',
      'STORAGE_FULL',
      'STORAGE_FULL',
      'STORAGE_FULL',
      5,
    ])
  })

  it('runs the entries of a batch one by one where a defect broke it, so that only the culprit fails', async () => {
    const all = Promise.allSettled([1, 2, 3, 4].map((value) => queue.add(entry(value))))
    finish(undefined, new TypeError('defect'))
    await turn()
    for (const value of [1, 2, 3, 4]) {
      expect(batches.at(-1)).toEqual([value])
      if (value === 3) finish(undefined, new TypeError('defect'))
      else finish()
      await turn()
    }
    expect((await all).map((one) => one.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  it('hands back what was done for somebody who had stopped waiting', async () => {
    const one = queue.add(entry(1))
    const refused = expect(one).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'unknown' })
    await jest.advanceTimersByTimeAsync(5_000)
    await refused
    finish()
    await turn()
    expect(abandoned).toEqual([1])
  })

  it('refuses what waits when it is closed, and lets the batch that runs end', async () => {
    const running = [1, 2, 3, 4].map((value) => queue.add(entry(value)))
    const waiting = queue.add(entry(5))
    const refused = expect(waiting).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'not-delivered' })
    const closed = queue.close()
    await refused
    finish()
    await closed
    expect(await Promise.all(running)).toEqual([1, 2, 3, 4])
    await expect(queue.add(entry(6))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(jest.getTimerCount()).toBe(0)
  })
})
