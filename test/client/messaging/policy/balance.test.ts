import { Balancer, keyAt } from '../../../../client-lib/src/messaging/policy/balance.js'

const abc = ['a', 'b', 'c']
const idle = () => 0
const many = <T>(times: number, make: (i: number) => T) => Array.from({ length: times }, (_, i) => make(i))
const counts = (names: readonly (string | undefined)[]) => {
  const found: { [name: string]: number } = {}
  for (const name of names) found[String(name)] = (found[String(name)] ?? 0) + 1
  return found
}

describe('round robin', () => {
  it('asks one after the other, and begins anywhere', () => {
    const balancer = new Balancer(() => 0.5)
    expect(many(6, () => balancer.pick('round-robin', 'g', abc, undefined, idle)).join('')).toBe('bcabca')
  })

  it('keeps its turn when members come and go', () => {
    const balancer = new Balancer(() => 0)
    const next = (...members: string[]) => balancer.pick('round-robin', 'g', members, undefined, idle)
    expect([next('a', 'b', 'c'), next('a', 'b', 'c')]).toEqual(['a', 'b'])
    expect([next('a', 'c'), next('a', 'c')]).toEqual(['c', 'a'])
    expect([next('a', 'aa', 'b', 'c'), next('b', 'c'), next('c')]).toEqual(['aa', 'b', 'c'])
  })

  it('has a turn of its own for each group, as many as there are', () => {
    const balancer = new Balancer(() => 0)
    const next = (group: string) => balancer.pick('round-robin', group, abc, undefined, idle)
    expect([next('g'), next('h'), next('g'), next('h')]).toEqual(['a', 'a', 'b', 'b'])
    for (let i = 0; i < 5_000; i++) expect(abc).toContain(next(`g${i}`))
  })
})

describe('least in flight', () => {
  it('asks the one that owes this node the fewest answers, and takes turns where several do', () => {
    const balancer = new Balancer(() => 0)
    const owed = new Map([
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ])
    const next = () => balancer.pick('least-in-flight', 'g', abc, undefined, (member) => owed.get(member)!)
    expect([next(), next(), next()]).toEqual(['b', 'c', 'b'])
    owed.set('a', 0)
    expect([next(), next()]).toEqual(['a', 'a'])
  })
})

describe('random', () => {
  it('spreads over all, whatever the source of randomness gives', () => {
    const next = (random: number) => new Balancer(() => random).pick('random', 'g', abc, undefined, idle)
    expect([0, 0.34, 0.67, 0.9999999, 1].map(next)).toEqual(['a', 'b', 'c', 'c', 'c'])
  })
})

describe('sticky', () => {
  const sticky = { sticky: 'customer' }
  const members = many(10, (i) => `orders-${i}`)
  const choose = (key: string | undefined, from: readonly string[] = members) =>
    new Balancer(() => 0.5).pick(sticky, 'g', from, key, idle)

  it('finds the same member for the same key, in every process', () => {
    for (const key of ['', 'x', 'customer-7', 'ü', '\u0000']) {
      expect(choose(key)).toBe(choose(key))
      expect(members).toContain(choose(key))
    }
  })

  it('spreads keys evenly', () => {
    const found = counts(many(10_000, (i) => choose(`customer-${i}`)))
    expect(Object.keys(found)).toHaveLength(10)
    for (const share of Object.values(found)) {
      expect(share).toBeGreaterThan(800)
      expect(share).toBeLessThan(1_200)
    }
  })

  it('moves only the keys of a member that leaves, and back when it returns', () => {
    const left = members.filter((member) => member !== 'orders-3')
    for (let i = 0; i < 1_000; i++) {
      const before = choose(`k${i}`)
      if (before !== 'orders-3') expect(choose(`k${i}`, left)).toBe(before)
      else expect(left).toContain(choose(`k${i}`, left))
    }
  })

  it('has nothing to go by without a key', () => {
    expect(choose(undefined)).toBeUndefined()
  })
})

describe('the key in a body', () => {
  it.each<[unknown, string, string | undefined]>([
    [{ customer: { id: 'c7' } }, 'customer.id', 'c7'],
    [{ customer: 7 }, 'customer', '7'],
    [{ customer: false }, 'customer', 'false'],
    [{ list: ['a', 'b'] }, 'list.1', 'b'],
    [{ customer: null }, 'customer', undefined],
    [{ customer: {} }, 'customer', undefined],
    [{ customer: { id: 'c7' } }, 'customer.id.length', undefined],
    [{}, 'customer.id', undefined],
    [{}, 'constructor.name', undefined],
    [{}, '__proto__', undefined],
    [undefined, 'customer', undefined],
    ['text', 'length', undefined],
    [null, 'a', undefined],
  ])('of %j at %s is %s', (body, path, key) => {
    expect(keyAt(body, path)).toBe(key)
  })
})
