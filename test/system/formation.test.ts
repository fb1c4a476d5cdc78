import type { Node } from '@sealway/client'
import { Formation, transports } from '../support/formation'
import { eventually } from '../support/until'

const groups = ['orders', 'stock', 'mail'] as const

let formation: Formation
afterEach(() => formation.close())

/** Thirty nodes over three transports in three groups; every tenth is in all of them. */
async function thirty(): Promise<Node[]> {
  return Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      formation.join(`node-${i}`, transports[i % 3]!, {
        groups: i % 10 === 0 ? [...groups] : [groups[Math.floor(i / 10)]!],
      }),
    ),
  )
}

describe('a formation of thirty nodes', () => {
  it('knows its members, reaches each and all of them, and spreads work evenly', async () => {
    formation = await Formation.start()
    const nodes = await thirty()
    const worked = new Map<string, number>()
    for (const node of nodes) {
      node.on('work', () => {
        worked.set(node.name, (worked.get(node.name) ?? 0) + 1)
        return node.name
      })
    }
    const lead = nodes[0]!
    const members = (group: (typeof groups)[number]) =>
      nodes.filter((node) => node.groups.includes(group)).map(({ name }) => name)
    for (const group of groups) {
      expect((await lead.peers(group)).map(({ name }) => name).sort()).toEqual(members(group).sort())
      const { targets, ok, failed, missing } = await lead.broadcast(group, 'work', {}, { want: 'acks' })
      const others = members(group).filter((name) => name !== lead.name)
      expect([...targets].sort()).toEqual([...others].sort())
      expect([...ok].sort()).toEqual([...others].sort())
      expect([failed, missing]).toEqual([[], []])
    }
    // Each knows who asked him, whatever carries it.
    const answers = await Promise.all(nodes.slice(1, 10).map((node) => lead.call<string>(node.name, 'work')))
    expect(answers).toEqual(nodes.slice(1, 10).map(({ name }) => name))

    worked.clear()
    for (let i = 0; i < 110; i++) await lead.call('any:stock', 'work')
    const shares = members('stock')
      .filter((name) => name !== lead.name)
      .map((name) => worked.get(name) ?? 0)
    expect(shares.reduce((a, b) => a + b, 0)).toBe(110)
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(2)
  })

  it('is seen by a watcher as it comes and goes', async () => {
    formation = await Formation.start()
    const watcher = await formation.join('watcher', 'ws', { groups: [...groups] })
    const present = new Map<string, Set<string>>(groups.map((group) => [group, new Set()]))
    let changes = 0
    const watching = groups.map(async (group) => {
      for await (const { type, peer } of watcher.watchPeers(group)) {
        changes++
        const names = present.get(group)!
        if (type === 'joined') names.add(peer.name)
        else names.delete(peer.name)
      }
    })
    await eventually(() => changes === 3, 'it watches')
    const nodes = await thirty()
    await eventually(() => [...present.values()].reduce((sum, names) => sum + names.size, 0) === 39, 'all are seen')
    await Promise.all(nodes.filter((_, i) => i % 2 === 0).map((node) => node.drain()))
    const rest = nodes.filter((_, i) => i % 2 === 1)
    await eventually(
      () =>
        [...present.values()].every((names) =>
          [...names].every((name) => name === 'watcher' || rest.some((node) => node.name === name)),
        ),
      'who left is gone',
    )
    expect([...present.get('orders')!].sort()).toEqual(['node-1', 'node-3', 'node-5', 'node-7', 'node-9', 'watcher'])
    await watcher.close()
    await Promise.all(watching)
  })
})
