import type { Log } from '../observe/log.js'
import type { Registry } from '../registry/registry.js'

/** The token ids that are refused, in memory, so that a token is checked without asking the database. */
export interface Revocations {
  isRevoked(tokenId: string): boolean
  /** Refuses a token id from now on, here at once and at other mediators with their next refresh. */
  revoke(tokenId: string, expiresAt: number, actor: string): Promise<void>
  /** Reads the list once. A database that does not answer leaves the last list in force. */
  refresh(): Promise<void>
  /** Reads it now and then every 4 s, so that a revocation made elsewhere takes effect within 5 s (SEMANTICS.md). */
  start(): Promise<void>
  stop(): void
}

const refreshEveryMs = 4_000

export function createRevocations(parts: {
  readonly registry: Pick<Registry, 'revokeToken' | 'revokedTokens'>
  readonly log: Log
  /** Told once of each id that was not revoked before: its live links are to be closed. */
  readonly onRevoked?: (tokenId: string) => void
}): Revocations {
  const { registry, log, onRevoked } = parts
  let revoked: ReadonlySet<string> = new Set()
  /** Revoked here while a refresh may be under way with an older list. */
  const local = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  const isRevoked = (tokenId: string) => revoked.has(tokenId) || local.has(tokenId)

  const read = async (): Promise<void> => {
    const before = [...local]
    try {
      const list = new Set(await registry.revokedTokens())
      const fresh = [...list].filter((id) => !isRevoked(id))
      revoked = list
      for (const id of before) local.delete(id)
      for (const id of fresh) onRevoked?.(id)
    } catch (error) {
      log.warn({ error }, 'revocations were not refreshed; the last list stays in force')
    }
  }
  const refresh = (): Promise<void> => {
    running ??= read().finally(() => {
      running = undefined
    })
    return running
  }

  return {
    isRevoked,
    refresh,
    async revoke(tokenId, expiresAt, actor) {
      await registry.revokeToken(tokenId, expiresAt, actor)
      if (isRevoked(tokenId)) return
      local.add(tokenId)
      onRevoked?.(tokenId)
    },
    async start() {
      timer ??= setInterval(() => void refresh(), refreshEveryMs).unref()
      await refresh()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
