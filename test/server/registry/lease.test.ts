import { SealwayError } from '@sealway/protocol'
import { silentLog } from '../../../server/src/observe/log.js'
import { createRegistry } from '../../../server/src/registry/create-registry.js'
import { Lease } from '../../../server/src/registry/lease.js'
import type { MediatorRecord } from '../../../server/src/registry/mediators.js'
import type { Registry } from '../../../server/src/registry/registry.js'
import type { Database } from '../../../server/src/store/database.js'
import { migrate } from '../../../server/src/store/migrate.js'
import { databases, emptyTables, type TestDatabase } from '../../support/databases.js'

const record = (name: string): MediatorRecord => ({
  ...{ instance: name.repeat(32), host: `host-${name}`, pid: 7, url: `http://${name}:4567` },
})
const alive = () => false
const gone = () => true

describe.each(databases)('the slot of a mediator on %s', (_, open) => {
  let database: TestDatabase
  let db: Database
  let registry: Registry
  beforeAll(async () => {
    database = await open()
    db = await database.open()
    await migrate(db)
    registry = createRegistry(db)
  })
  beforeEach(async () => {
    await emptyTables(db)
  })
  afterAll(() => database.drop())

  it('belongs to one at a time, and names the one that holds it', async () => {
    expect(await registry.takeSlot(record('a'), alive)).toBeUndefined()
    expect(await registry.takeSlot(record('b'), alive)).toEqual(record('a'))
    expect([await registry.renewSlot(record('a').instance), await registry.renewSlot(record('b').instance)]).toEqual([
      true,
      false,
    ])
  })

  it('is free when it was given back, was not renewed for 5 s, or its process is gone', async () => {
    await registry.takeSlot(record('a'), alive)
    await registry.leaveSlot(record('a').instance)
    expect(await registry.takeSlot(record('b'), alive)).toBeUndefined()
    await db.knex('mediators').update({ renewed_at: db.knex.raw(`${db.now} - 5000`) })
    expect(await registry.takeSlot(record('c'), alive)).toBeUndefined()
    expect(await registry.takeSlot(record('d'), gone)).toBeUndefined()
    expect(await registry.renewSlot(record('c').instance)).toBe(false)
  })

  it('has one winner when twenty ask at once', async () => {
    const names = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i))
    const holders = await Promise.all(names.map((name) => registry.takeSlot(record(name), alive)))
    expect(holders.filter((holder) => holder === undefined)).toHaveLength(1)
  })
})

describe('a lease', () => {
  const processes = { own: 10, isRunning: (pid: number) => pid === 11 }
  const own = { instance: 'a'.repeat(32), log: silentLog, processes, lost: () => {} }

  it('is refused with ANOTHER_MEDIATOR, naming the other one and what to do, when that one goes on', async () => {
    jest.useFakeTimers()
    try {
      const registry = {
        takeSlot: async () => record('b'),
        renewSlot: async () => true,
        leaveSlot: async () => {},
      }
      const taken = new Lease({ registry, ...own }).take('http://a:1').catch((error: SealwayError) => error)
      await jest.advanceTimersByTimeAsync(6_000)
      const error = (await taken) as SealwayError
      expect(error).toBeInstanceOf(SealwayError)
      expect(error.code).toBe('ANOTHER_MEDIATOR')
      expect(error.message).toMatch(
        /http:\/\/b:4567 \(process 7 on host-b\).*stop it first, or give this one a database/,
      )
    } finally {
      jest.useRealTimers()
    }
  })

  it('follows at once a mediator of this machine whose process has ended', async () => {
    const asked: boolean[] = []
    const registry = {
      takeSlot: async (mine: MediatorRecord, isGone: (other: MediatorRecord) => boolean) => {
        for (const other of [{ ...mine, pid: 12 }, mine, { ...mine, pid: 11 }, record('b')]) {
          asked.push(isGone(other))
        }
        return undefined
      },
      renewSlot: async () => true,
      leaveSlot: async () => {},
    }
    const lease = new Lease({ registry, ...own })
    await lease.take('http://a:1')
    await lease.leave()
    expect(asked).toEqual([true, true, false, false])
  })

  it('tells its mediator when another one has taken it, and once', async () => {
    jest.useFakeTimers()
    try {
      const lost: string[] = []
      const registry = { takeSlot: async () => undefined, renewSlot: async () => false, leaveSlot: async () => {} }
      await new Lease({ registry, ...own, lost: ({ code }) => lost.push(code) }).take('http://a:1')
      await jest.advanceTimersByTimeAsync(10_000)
      expect(lost).toEqual(['ANOTHER_MEDIATOR'])
    } finally {
      jest.useRealTimers()
    }
  })
})
