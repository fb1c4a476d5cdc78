import { type NodeName, SealwayError } from '@sealway/protocol'
import type { NodeRecord, Registry } from '../../server/src/registry/registry.js'

/** As much of a registry as a relay asks for, in a Map: for tests of what is above it. */
export function tinyRegistry(): Registry {
  const nodes = new Map<string, { epoch: number; groups: readonly string[] }>()
  const used: Pick<Registry, 'claim' | 'release' | 'node' | 'groupExists' | 'existing'> = {
    async claim({ name, groups }) {
      if (!name) throw new SealwayError('INVALID_NAME', { message: 'the tiny registry makes no names' })
      const epoch = (nodes.get(name)?.epoch ?? 0) + 1
      nodes.set(name, { epoch, groups })
      return { name: name as NodeName, epoch, id: 1 }
    },
    async release() {},
    async node(name) {
      return nodes.has(name) ? ({ name } as NodeRecord) : undefined
    },
    async groupExists(name) {
      return [...nodes.values()].some(({ groups }) => groups.includes(name))
    },
    async existing(kind, names) {
      const groups = new Set([...nodes.values()].flatMap((node) => node.groups))
      return new Set(names.filter((name) => (kind === 'node' ? nodes.has(name) : groups.has(name))))
    },
  }
  return used as Registry
}
