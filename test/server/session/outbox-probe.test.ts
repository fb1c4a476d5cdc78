import type { Connection } from '@sealway/protocol'
import { BlockPool } from '../../../server/src/session/block'
import { Outbox } from '../../../server/src/session/outbox'

function setup() {
  const pipe = { full: false }
  const connection = { transport: 'memory', write: () => !pipe.full } as unknown as Connection
  const outbox = new Outbox({
    connection,
    budget: { usedBytes: 0, limitBytes: 10_000 },
    blocks: new BlockPool(),
    maxBytes: 1_000,
    maxFrames: 100,
    now: () => 0,
    schedule: () => {},
  })
  const told: string[] = []
  const push = (name: string, frames = 1): void => {
    outbox.push(new Uint8Array(10), frames)
    outbox.whenWritten(() => told.push(name))
  }
  return { pipe, outbox, told, push }
}

describe('measuring in an outbox', () => {
  it('is told when the frames that it asked for are written, and not before', () => {
    const { pipe, outbox, told, push } = setup()
    push('first')
    expect(told).toEqual([])
    outbox.flush()
    expect(told).toEqual(['first'])
    pipe.full = true
    push('second', 3)
    outbox.flush()
    push('third')
    expect(told).toEqual(['first'])
    pipe.full = false
    outbox.drained()
    outbox.flush()
    expect(told).toEqual(['first', 'second', 'third'])
  })

  it('is not told of what is lost with its link', () => {
    const { pipe, outbox, told, push } = setup()
    pipe.full = true
    push('lost')
    outbox.flush()
    outbox.close()
    outbox.drained()
    expect([told, outbox.lostFrames]).toEqual([[], 1])
  })

  it('is done for sixteen at once, and then for the next', () => {
    const { outbox, told, push } = setup()
    for (let i = 1; i <= 20; i++) push(String(i))
    outbox.flush()
    expect(told).toHaveLength(16)
    push('later')
    outbox.flush()
    expect(told.at(-1)).toBe('later')
  })
})
