import { createHash } from 'node:crypto'
import { Formation, transports } from '../support/formation'
import { eventually, rejection } from '../support/until'

let formation: Formation
beforeAll(async () => {
  formation = await Formation.start()
})
afterAll(() => formation.close())

const pairs = transports.flatMap((from) => transports.map((to) => [from, to] as const))

describe.each(pairs)('from a node over %s to one over %s', (from, to) => {
  const join = () =>
    Promise.all([
      formation.join(`caller-${from}-${to}`, from, { groups: [`g-${from}-${to}`] }),
      formation.join(`callee-${from}-${to}`, to, { groups: [`g-${from}-${to}`] }),
    ])
  let nodes: Awaited<ReturnType<typeof join>>
  beforeAll(async () => {
    nodes = await join()
  })

  it('every verb works, and says over what it came', async () => {
    const [caller, callee] = nodes
    const notes: unknown[] = []
    callee.on('note', ({ body }) => void notes.push(body))
    callee.on('double', ({ body }) => (body as number) * 2)
    callee.on('fail', (_command, ctx) => {
      throw ctx.fail('NO', { why: 'not' })
    })
    expect([caller.transport, callee.transport]).toEqual([from, to])
    await caller.send(callee.name, 'note', { text: 'ä' })
    expect(await caller.call(callee.name, 'double', 21)).toBe(42)
    expect(await caller.call(`any:g-${from}-${to}`, 'double', 4)).toBe(8)
    expect(await rejection(caller.call(callee.name, 'fail'))).toMatchObject({
      data: { code: 'NO', data: { why: 'not' } },
    })
    expect((await rejection(caller.call(callee.name, 'unheard-of'))).code).toBe('NO_HANDLER')
    expect(await caller.broadcast(`g-${from}-${to}`, 'double', 5, { want: 'replies' })).toMatchObject({
      targets: [callee.name],
      ok: [callee.name],
      replies: new Map([[callee.name, 10]]),
    })
    expect((await caller.peers(`g-${from}-${to}`)).map(({ transport }) => transport).sort()).toEqual([from, to].sort())
    await eventually(() => notes.length === 1, 'the note arrives')
    expect(notes).toEqual([{ text: 'ä' }])
  })

  it('200 calls of 50 KB at once are answered, each with its own bytes', async () => {
    const [caller, callee] = nodes
    callee.on('hash', ({ body }) =>
      createHash('sha256')
        .update(body as Buffer)
        .digest('hex'),
    )
    const bodies = Array.from({ length: 200 }, (_, i) => Buffer.alloc(50_000, i))
    const answers = await Promise.all(bodies.map((body) => caller.call(callee.name, 'hash', body)))
    expect(answers).toEqual(bodies.map((body) => createHash('sha256').update(body).digest('hex')))
  })

  it('10,000 messages keep their order, and none is lost', async () => {
    const [caller, callee] = nodes
    const got: number[] = []
    callee.on('n', ({ body }) => void got.push(body as number))
    for (let i = 0; i < 10_000; i++) await caller.send(callee.name, 'n', i)
    await eventually(() => got.length === 10_000, 'all arrive')
    expect(got.every((n, i) => n === i)).toBe(true)
  })

  it('what was sent before a close arrives', async () => {
    const sender = await formation.join(`leaver-${from}-${to}`, from, { groups: [`g-${from}-${to}`] })
    const [, callee] = nodes
    const got: unknown[] = []
    callee.on('last words', ({ body }) => void got.push(body))
    for (let i = 0; i < 50; i++) await sender.send(callee.name, 'last words', i)
    await sender.close()
    await eventually(() => got.length === 50, 'all arrive')
    callee.off('last words')
  })

  it('a call fails at once where the other side breaks off', async () => {
    const [caller] = nodes
    const mortal = await formation.join(`mortal-${from}-${to}`, to, { groups: [`g-${from}-${to}`] })
    let runs = 0
    mortal.on('never', () => {
      runs++
      return new Promise(() => {})
    })
    const failed = rejection(caller.call(mortal.name, 'never'))
    await eventually(() => runs === 1, 'it runs')
    await mortal.close()
    expect(await failed).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown' })
  })
})
