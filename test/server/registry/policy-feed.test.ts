import type { TrafficPolicy } from '@sealway/protocol'
import { silentLog } from '../../../server/src/observe/log'
import { createPolicyFeed } from '../../../server/src/registry/policy-feed'
import type { PolicyRecord } from '../../../server/src/registry/registry'

/** A table whose reads the test lets through one by one. */
function feedOn() {
  const table = { rows: [] as TrafficPolicy[], reads: 0, gates: [] as (() => void)[], gated: false, down: false }
  const told: (readonly TrafficPolicy[])[] = []
  const feed = createPolicyFeed({
    registry: {
      async policies(): Promise<PolicyRecord[]> {
        table.reads++
        const rows = table.rows.map((policy) => ({ ...policy, updatedAt: 1, updatedBy: 'op' }))
        if (table.gated) await new Promise<void>((resolve) => table.gates.push(resolve))
        if (table.down) throw new Error('down')
        return rows
      },
    },
    log: silentLog,
    onList: (policies) => told.push(policies),
  })
  return { table, told, feed }
}

const one: TrafficPolicy = { target: 'a', timeout: 1 }
const two: TrafficPolicy = { target: 'b', timeout: 2 }

it('tells what is in the registry, without who changed it', async () => {
  const { table, told, feed } = feedOn()
  table.rows = [one]
  await feed.refresh()
  expect(told).toEqual([[one]])
})

it('who changes something during a read is told only after another read', async () => {
  const { table, told, feed } = feedOn()
  table.gated = true
  const first = feed.refresh()
  table.rows = [one, two]
  const second = feed.refresh()
  const third = feed.refresh()
  table.gated = false
  table.gates[0]!()
  await Promise.all([first, second, third])
  expect([told, table.reads]).toEqual([[[], [one, two]], 2])
})

it('tells nothing while the database is away, and goes on when it is back', async () => {
  const { table, told, feed } = feedOn()
  table.rows = [one]
  await feed.refresh()
  table.down = true
  await feed.refresh()
  table.down = false
  table.rows = [two]
  await feed.refresh()
  expect(told).toEqual([[one], [two]])
})

it('reads every 4 s from its start to its stop', async () => {
  jest.useFakeTimers()
  try {
    const { table, feed } = feedOn()
    await feed.start()
    expect(table.reads).toBe(1)
    await jest.advanceTimersByTimeAsync(8_000)
    expect(table.reads).toBe(3)
    feed.stop()
    await jest.advanceTimersByTimeAsync(60_000)
    expect(table.reads).toBe(3)
  } finally {
    jest.useRealTimers()
  }
})
