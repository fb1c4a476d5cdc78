import { createRevocations } from '../../../server/src/auth/revocations'
import { silentLog } from '../../../server/src/observe/log'

/** The one table of the registry that revocations use. */
function tableOf(...ids: string[]) {
  const rows = new Set(ids)
  return {
    rows,
    down: false,
    reads: 0,
    async revokeToken(id: string) {
      if (this.down) throw new Error('down')
      rows.add(id)
    },
    async revokedTokens() {
      this.reads++
      if (this.down) throw new Error('down')
      return [...rows]
    },
  }
}

function revocationsOn(registry: ReturnType<typeof tableOf>) {
  const closed: string[] = []
  const revocations = createRevocations({ registry, log: silentLog, onRevoked: (id) => closed.push(id) })
  return { revocations, closed }
}

describe('revocations', () => {
  it('hold at once for what is revoked here, and close its links once', async () => {
    const { revocations, closed } = revocationsOn(tableOf())
    await revocations.revoke('a', 1, 'ada')
    await revocations.revoke('a', 1, 'ada')
    expect(revocations.isRevoked('a')).toBe(true)
    expect(revocations.isRevoked('b')).toBe(false)
    await revocations.refresh()
    expect(revocations.isRevoked('a')).toBe(true)
    expect(closed).toEqual(['a'])
  })

  it('made elsewhere hold after the next refresh, and close links here', async () => {
    const registry = tableOf('a')
    const { revocations, closed } = revocationsOn(registry)
    await revocations.refresh()
    registry.rows.add('b')
    expect(revocations.isRevoked('b')).toBe(false)
    await revocations.refresh()
    expect(['a', 'b'].map((id) => revocations.isRevoked(id))).toEqual([true, true])
    expect(closed).toEqual(['a', 'b'])
  })

  it('stay in force while the database is away', async () => {
    const registry = tableOf('a')
    const { revocations } = revocationsOn(registry)
    await revocations.refresh()
    registry.down = true
    await revocations.refresh()
    expect(revocations.isRevoked('a')).toBe(true)
    await expect(revocations.revoke('b', 1, 'ada')).rejects.toThrow('down')
    expect(revocations.isRevoked('b')).toBe(false)
  })

  it('are forgotten when their rows are gone', async () => {
    const registry = tableOf('a')
    const { revocations } = revocationsOn(registry)
    await revocations.refresh()
    registry.rows.clear()
    await revocations.refresh()
    expect(revocations.isRevoked('a')).toBe(false)
  })

  it('survive a refresh that was under way with an older list', async () => {
    const registry = tableOf()
    let answer: (ids: string[]) => void = () => {}
    registry.revokedTokens = () => new Promise((resolve) => (answer = resolve))
    const { revocations } = revocationsOn(registry)
    const refreshing = revocations.refresh()
    await revocations.revoke('a', 1, 'ada')
    answer([])
    await refreshing
    expect(revocations.isRevoked('a')).toBe(true)
  })

  it('are read again every 4 s while started, one read at a time, and no more when stopped', async () => {
    jest.useFakeTimers()
    try {
      const registry = tableOf()
      const { revocations } = revocationsOn(registry)
      await revocations.start()
      expect(registry.reads).toBe(1)
      await jest.advanceTimersByTimeAsync(8_000)
      expect(registry.reads).toBe(3)
      revocations.stop()
      await jest.advanceTimersByTimeAsync(60_000)
      expect(registry.reads).toBe(3)
    } finally {
      jest.useRealTimers()
    }
  })
})
