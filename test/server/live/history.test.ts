import { HistoryRing } from '../../../server/src/live/history'
import { readWatch } from '../../../server/src/live/watch'

describe('the history', () => {
  it('is the last hour, in columns, oldest first', () => {
    const history = new HistoryRing()
    for (let i = 1; i <= 400; i++) {
      history.add({ at: i, frames: i, bytes: 2, errors: 3, links: 4, lagMaxMs: 5, rssBytes: 6, queuedBytes: 7 })
    }
    const read = history.read()
    expect([read.stepMs, read.at.length, read.at[0], read.at.at(-1), read.frames[0]]).toEqual([
      10_000, 360, 41, 400, 41,
    ])
    expect(read.queuedBytes).toEqual(Array.from({ length: 360 }, () => 7))
  })
})

describe('a watch', () => {
  it('is topics, and a filter without what is empty', () => {
    expect(readWatch({ topics: ['nodes', 'frames'], filter: { from: 'a', to: '' } })).toEqual({
      topics: ['nodes', 'frames'],
      filter: { from: 'a' },
    })
    expect(readWatch({ topics: [] })).toEqual({ topics: [], filter: {} })
  })

  it.each([undefined, null, 7, {}, { topics: 'nodes' }, { topics: ['all'] }, { topics: Array(5).fill('nodes') }])(
    'is not %j',
    (value) => {
      expect(readWatch(value)).toBeUndefined()
    },
  )

  it.each([null, 'a', { from: 7 }, { to: 'x'.repeat(101) }])('has no filter %j', (filter) => {
    expect(readWatch({ topics: [], filter })).toBeUndefined()
  })
})
