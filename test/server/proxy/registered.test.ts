import { Registered } from '../../../server/src/proxy/registered'
import type { NodeRecord } from '../../../server/src/registry/registry'

describe('what the database said', () => {
  let now = 1_000
  const asked: string[] = []
  let fails = false
  const record = (name: string) => ({ name }) as NodeRecord
  const answer = async <T>(key: string, value: T): Promise<T> => {
    asked.push(key)
    if (fails) throw new Error('it is away')
    return value
  }
  const made = () =>
    new Registered(
      {
        node: (name) => answer(name, record(name)),
        nodes: ({ group, limit }) => answer(`${group} ${limit}`, [record('a')]),
      },
      () => now,
    )
  beforeEach(() => {
    asked.length = 0
    fails = false
  })

  it('is believed for a second, of a node and of a group', async () => {
    const registered = made()
    for (let i = 0; i < 3; i++) {
      expect(await registered.node('a')).toEqual({ name: 'a' })
      expect(await registered.members('g')).toEqual([{ name: 'a' }])
    }
    expect(asked).toEqual(['a', 'g 1000'])
    now += 1_000
    await registered.node('a')
    expect(asked).toEqual(['a', 'g 1000', 'a'])
  })

  it('is asked again where it said nothing', async () => {
    const registered = made()
    fails = true
    await expect(registered.node('a')).rejects.toThrow('it is away')
    await expect(registered.members('g')).rejects.toThrow('it is away')
    fails = false
    expect([await registered.node('a'), (await registered.members('g')).length]).toEqual([{ name: 'a' }, 1])
  })

  it('is forgotten where there is more than 1,000 names or 16 groups of it', async () => {
    const registered = made()
    for (let i = 0; i <= 1_000; i++) await registered.node(`n${i}`)
    for (let i = 0; i <= 16; i++) await registered.members(`g${i}`)
    asked.length = 0
    for (const name of ['n1000', 'n0']) await registered.node(name)
    for (const group of ['g16', 'g0']) await registered.members(group)
    expect(asked).toEqual(['n0', 'g0 1000'])
  })
})
