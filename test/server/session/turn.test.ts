import { memoryPair } from '@sealway/protocol'
import { BlockPool } from '../../../server/src/session/block'
import { Outbox } from '../../../server/src/session/outbox'
import { lightBytes, quantumBytes, Turn, turnBytes } from '../../../server/src/session/turn'

/** A turn that ends when the test says so, and links whose writes are noted in the order in which they happen. */
function setup() {
  const due: (() => void)[] = []
  const turn = new Turn((work) => void due.push(work))
  const writes: { link: string; bytes: number }[] = []
  const budget = { usedBytes: 0, limitBytes: 1024 ** 3 }
  const link = (name: string) =>
    new Outbox({
      connection: {
        ...memoryPair()[0],
        write: (parts) => {
          writes.push({ link: name, bytes: parts.reduce((sum, part) => sum + part.length, 0) })
          return true
        },
      },
      budget,
      blocks: new BlockPool(),
      maxBytes: 1024 ** 3,
      maxFrames: 1_000_000,
      now: () => 0,
      schedule: turn.schedule,
    })
  const end = () => {
    for (const work of due.splice(0)) work()
    return writes.splice(0)
  }
  return { turn, link, end, due }
}

const fill = (outbox: Outbox, bytes: number) => {
  for (let left = bytes; left > 0; left -= 65_536) outbox.push(new Uint8Array(Math.min(left, 65_536)), 1)
}

describe('a turn', () => {
  it('ends once, however many links have something to write', () => {
    const { link, end, due } = setup()
    for (const name of ['a', 'b', 'c']) fill(link(name), 10)
    expect(due.length).toBe(1)
    expect(end().map(({ link: name }) => name)).toEqual(['a', 'b', 'c'])
    expect(due.length).toBe(0)
  })

  it('writes links with little to write first', () => {
    const { link, end } = setup()
    fill(link('heavy'), lightBytes + 1)
    fill(link('light'), lightBytes)
    expect(end().map(({ link: name }) => name)).toEqual(['light', 'heavy'])
  })

  it('writes so much and no more to links with much to write, a piece each, and the others next', () => {
    const { link, end } = setup()
    const names = Array.from({ length: 10 }, (_, index) => `member-${index}`)
    for (const name of names) fill(link(name), 2 * quantumBytes)
    const served: string[] = []
    for (let writes = end(); writes.length > 0; writes = end()) {
      expect(writes.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(turnBytes)
      for (const { link: name } of writes) served.push(name)
    }
    expect(served).toEqual([...names, ...names])
  })

  it('writes at once what came for a light link while heavy ones have been waiting', () => {
    const { link, end } = setup()
    for (let i = 0; i < 10; i++) fill(link(`member-${i}`), 4 * quantumBytes)
    end()
    fill(link('light'), 100)
    expect(end()[0]).toEqual({ link: 'light', bytes: 100 })
  })

  it('writes to one heavy link at least, however many light ones there are', () => {
    const { link, end } = setup()
    fill(link('heavy'), quantumBytes)
    for (let i = 0; i < turnBytes / lightBytes; i++) fill(link(`light-${i}`), lightBytes)
    expect(end().at(-1)).toEqual({ link: 'heavy', bytes: quantumBytes })
  })

  it('has the links that rested read again at its end, in order, once', () => {
    const { turn, end } = setup()
    const resumed: string[] = []
    for (const name of ['a', 'b']) turn.rest({ resume: () => void resumed.push(name) })
    expect([turn.number, resumed]).toEqual([0, []])
    end()
    expect([turn.number, resumed]).toEqual([1, ['a', 'b']])
    end()
    expect(resumed.length).toBe(2)
  })
})
