import { isDeepStrictEqual } from 'node:util'
import { parseGroups, parseName } from '@sealway/protocol'
import { development, keysFile } from '#fixtures'
import type { Registry } from './registry.js'

export interface LoadedFixtures {
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly unchanged: readonly string[]
  /** Where the throw-away payload keys are, for nodes; nothing of that file reaches the database. */
  readonly keysFile: string
}

/** Registers the nodes of `fixtures/development.ts`, with their groups. Once more changes nothing. @throws SealwayError */
export async function loadFixtures(registry: Registry): Promise<LoadedFixtures> {
  const created: string[] = []
  const updated: string[] = []
  const unchanged: string[] = []
  for (const fixture of development) {
    const { groups, endpoints, meta } = fixture
    const there = await registry.node(fixture.name)
    if (
      there &&
      isDeepStrictEqual(
        { groups: there.groups, endpoints: there.endpoints, meta: there.meta },
        { groups, endpoints, meta },
      )
    ) {
      unchanged.push(fixture.name)
      continue
    }
    const name = parseName(fixture.name)
    await registry.upsertNode({ name, groups: parseGroups(groups), endpoints, meta }, 'fixtures')
    ;(there ? updated : created).push(fixture.name)
  }
  return { created, updated, unchanged, keysFile }
}
