import { beatEveryMs, LagMeter } from '../../../server/src/observe/lag'

describe('the delay of the event loop', () => {
  it('is how much later than due the beats came, since it was last asked', () => {
    let now = 0
    const lag = new LagMeter(() => now)
    const beat = (late: number): void => {
      now += beatEveryMs + late
      lag.beat()
    }
    for (const late of [0, 2, 0, 300, 2]) beat(late)
    expect(lag.take()).toEqual({ p50Ms: 2, maxMs: 300 })
    expect(lag.take()).toEqual({ p50Ms: 0, maxMs: 0 })
    // A block that begins right after it was asked is seen in full.
    beat(700)
    expect(lag.take()).toEqual({ p50Ms: 700, maxMs: 700 })
  })
})
