import type { Node } from '@sealway/client'
import fc from 'fast-check'
import { acceptorFlag, Op } from '../../../../client-lib/src/messaging/streams/wire.js'
import { Net } from '../../../support/net.js'
import { deaf, hears, openStreams, sayRaw, u32, u64 } from '../../../support/stream-end.js'
import { rejection, turns, until } from '../../../support/until.js'

let net: Net
let alice: Node
/** Says what no honest node would. */
let mallory: Node
let refused: { from: string; code: string }[]
beforeEach(async () => {
  net = new Net()
  ;[alice, mallory] = await Promise.all([net.join('alice'), net.join('mallory')])
  refused = []
  alice.events.on('refused', (event) => refused.push(event))
})
afterEach(() => net.close())

const text = 2
const openRecord = (action: string, credit = 100_000) => [Op.open, u32(credit), 0, action.length, action] as const
const data = (offset: number, encoding: number, body: string | Uint8Array) =>
  [Op.data, u64(offset), encoding, body] as const
const fromAcceptor = (record: readonly (number | string | Uint8Array)[]) => [
  (record[0] as number) | acceptorFlag,
  ...record.slice(1),
]

/** Alice still answers. */
const isWell = async () => {
  alice.on('well?', () => 'well')
  expect(await mallory.call('alice', 'well?')).toBe('well')
  alice.off('well?')
}

describe('an opener that keeps no rule', () => {
  /** A handler of alice's that reads its input, and what it was given. */
  const reads = () => {
    deaf(mallory)
    const seen = { items: [] as unknown[], error: undefined as unknown, reason: undefined as unknown, ended: false }
    alice.on('read', async (_command, ctx) => {
      ctx.signal.addEventListener('abort', () => {
        seen.reason = ctx.signal.reason
      })
      try {
        for await (const item of ctx.input) seen.items.push(item)
        seen.ended = true
        await turns(20)
      } catch (error) {
        seen.error = error
      }
    })
    return seen
  }

  it.each<[string, (readonly (number | string | Uint8Array)[])[], RegExp]>([
    ['bytes over the credit', [data(0, 1, new Uint8Array(300_000))], /granted/],
    ['items when the credit is used up', Array.from({ length: 9_000 }, (_, i) => data(i, 0, '')), /granted/],
    ['data after the end', [[Op.end, u64(0)], data(0, text, 'a')], /after its end/],
    [
      'a second end',
      [
        [Op.end, u64(0)],
        [Op.end, u64(0)],
      ],
      /second end/,
    ],
    ['data cut off in the offset', [[Op.data, 0, 0]], /without an offset/],
    ['an offset no number can hold', [[Op.data, u64(2n ** 60n), text, 'a']], /without an offset/],
    ['an end cut off', [[Op.end, 0]], /without a length/],
    ['credit of nothing', [[Op.credit, u32(0)]], /credit/],
    ['credit without end', [[Op.credit, u32(0xffff_ffff)]], /credit/],
    ['credit cut off', [[Op.credit, 1]], /credit/],
    ['an unknown op', [[99]], /op 99/],
    ['an acceptance of its own', [[Op.accept, u32(5)]], /op 2/],
    ['an encoding nobody knows', [data(0, 9, 'a')], /encoding 9/],
  ])('%s: the stream is reset and counted, and nothing else suffers', async (_what, records, why) => {
    const seen = reads()
    sayRaw(mallory, 'alice', 900, ...openRecord('read'))
    for (const record of records) sayRaw(mallory, 'alice', 900, ...record)
    await until(() => seen.reason !== undefined, 'the handler hears of it')
    expect(seen.reason).toMatchObject({ code: 'MALFORMED', target: 'mallory' })
    expect((seen.reason as Error).message).toMatch(why)
    expect(refused[0]).toEqual({ from: 'mallory', code: 'MALFORMED' })
    expect(openStreams(alice)).toBe(0)
    await isWell()
  })

  it.each<[string, (readonly (number | string | Uint8Array)[])[], number]>([
    ['data that is not where the last ended', [data(0, text, 'a'), data(5, text, 'b')], 1],
    ['data that came before', [data(0, text, 'a'), data(0, text, 'a')], 1],
    ['bytes with a gap', [data(0, 1, 'abc'), data(4, 1, 'e')], 3],
    ['an end with another length', [data(0, text, 'a'), [Op.end, u64(7)]], 1],
  ])('%s: what is missing breaks the stream', async (_what, records, offset) => {
    const seen = reads()
    sayRaw(mallory, 'alice', 900, ...openRecord('read'))
    for (const record of records) sayRaw(mallory, 'alice', 900, ...record)
    await until(() => seen.error !== undefined, 'the handler hears of it')
    expect(seen.items).toHaveLength(1)
    expect(seen.error).toMatchObject({ code: 'STREAM_LOST', target: 'mallory', data: { offset } })
    expect(openStreams(alice)).toBe(0)
    await isWell()
  })

  it('an item that is not what its encoding says breaks the stream when it is read', async () => {
    const seen = reads()
    sayRaw(mallory, 'alice', 901, ...openRecord('read'))
    sayRaw(mallory, 'alice', 901, ...data(0, text, 'fine'))
    sayRaw(mallory, 'alice', 901, ...data(1, 3, '{"not json'))
    await until(() => seen.error !== undefined, 'it breaks')
    expect(seen.items).toEqual(['fine'])
    expect(seen.error).toMatchObject({ code: 'MALFORMED' })
    await until(() => openStreams(alice) === 0, 'it is over')
  })

  it('data for a handler that does not read is not kept', async () => {
    alice.on('deaf', () => new Promise(() => {}))
    sayRaw(mallory, 'alice', 902, ...openRecord('deaf'))
    sayRaw(mallory, 'alice', 902, ...data(0, 1, new Uint8Array(1_000)))
    await until(() => refused.some(({ code }) => code === 'MALFORMED'), 'it is counted')
    await until(() => openStreams(alice) === 0, 'it is over')
  })

  it('the same number twice: the second is counted, the first goes on', async () => {
    const seen = reads()
    sayRaw(mallory, 'alice', 903, ...openRecord('read'))
    sayRaw(mallory, 'alice', 903, ...openRecord('read'))
    sayRaw(mallory, 'alice', 903, ...data(0, text, 'a'))
    sayRaw(mallory, 'alice', 903, Op.end, u64(1))
    await until(() => seen.ended, 'it ends')
    expect(seen.items).toEqual(['a'])
    expect(refused).toEqual([{ from: 'mallory', code: 'MALFORMED' }])
  })

  it.each<[string, (number | string | Uint8Array)[]]>([
    ['without an action', [Op.open, u32(1), 0, 0]],
    ['cut off in its credit', [Op.open, 0, 0]],
    ['cut off in its action', [Op.open, u32(1), 0, 9, 'abc']],
    ['with a body to come, of no length', [Op.carry, 1, u64(0), u64(0), 1, 1, 'a']],
    ['with a body to come, cut off', [Op.carry, 1, u64(5)]],
    ['with a body to come, of a kind that has none', [Op.carry, 6, u64(5), u64(0), 1, 1, 'a']],
    ['with a body to come and one that is there', [Op.carry, 1, u64(5), u64(0), 1, 1, 'a', 'body']],
    ['with an answer to come, whose head is too long', [Op.carry, 4, u64(5), u64(0), 0, 1, 7]],
  ])('an open %s is refused and counted', async (_what, record) => {
    const resets: string[] = []
    mallory.events.on('refused', ({ code }) => resets.push(code))
    sayRaw(mallory, 'alice', 904, ...record)
    await until(() => refused.length === 1, 'it is counted')
    expect(refused).toEqual([{ from: 'mallory', code: 'MALFORMED' }])
    expect(openStreams(alice)).toBe(0)
    await isWell()
  })

  it('an open to a whole group is refused', async () => {
    const ran = jest.fn()
    alice.on('read', ran)
    sayRaw(mallory, 'group:g', 905, ...openRecord('read'))
    await turns(30)
    expect(ran).not.toHaveBeenCalled()
  })

  it('a record without number or payload is counted', async () => {
    sayRaw(mallory, 'alice', 906)
    sayRaw(mallory, 'alice', -1, Op.end, u64(0))
    await until(() => refused.length === 2, 'both are counted')
    expect(refused.map(({ code }) => code)).toEqual(['MALFORMED', 'MALFORMED'])
    await isWell()
  })

  it('data for a stream that is not open: counted, and its sender told once a second, not each time', async () => {
    for (let i = 0; i < 100; i++) sayRaw(mallory, 'alice', 907, ...data(i, text, 'a'))
    await until(() => refused.length === 100, 'all are counted')
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['LATE']))
    await isWell()
  })

  it('streams opened without end are refused beyond the limit', async () => {
    const few = await net.join('few', { limits: { maxStreams: 50 } })
    few.on('wait', () => new Promise(() => {}))
    for (let i = 0; i < 500; i++) sayRaw(mallory, 'few', i, ...openRecord('wait'))
    await turns(30)
    expect(openStreams(few)).toBe(50)
    few.on('well?', () => 'well')
    expect(await mallory.call('few', 'well?')).toBe('well')
  })
})

describe('an acceptor that keeps no rule', () => {
  /** Opens one to mallory, whose handler never answers by itself. */
  async function opened() {
    let number = -1
    hears(mallory)
    mallory.replace('take', (command) => {
      number = Number(command.key.split('/')[1])
      return new Promise(() => {})
    })
    const stream = alice.stream<string>('mallory', 'take', undefined, { credit: 10_000 })
    await until(() => number >= 0, 'he has it')
    deaf(mallory)
    return {
      stream,
      say: (...record: (number | string | Uint8Array)[]) => sayRaw(mallory, 'alice', number, ...fromAcceptor(record)),
    }
  }

  it.each<[string, (readonly (number | string | Uint8Array)[])[], string]>([
    ['data over the credit', [data(0, 1, new Uint8Array(20_000))], 'MALFORMED'],
    ['an encoding nobody knows', [data(0, 9, 'a')], 'MALFORMED'],
    ['an unknown op', [[42]], 'MALFORMED'],
    ['data out of order', [data(3, text, 'a')], 'STREAM_LOST'],
    ['an end of another length', [[Op.end, u64(3)]], 'STREAM_LOST'],
  ])('%s reaches whoever reads', async (_what, records, code) => {
    const { stream, say } = await opened()
    say(Op.accept, u32(1_000))
    expect(await stream.accepted).toBe('mallory')
    for (const record of records) say(...record)
    expect(await rejection(stream.next())).toMatchObject({ code, target: 'mallory' })
    expect(openStreams(alice)).toBe(0)
    await isWell()
  })

  it('what it says before it accepts is counted, and changes nothing', async () => {
    const { stream, say } = await opened()
    say(...data(0, text, 'early'))
    say(Op.end, u64(0))
    say(Op.credit, u32(1_000))
    await until(() => refused.length === 3, 'all are counted')
    say(Op.accept, u32(0))
    say(...data(0, text, 'now'))
    say(Op.end, u64(1))
    expect(await stream.next()).toEqual({ done: false, value: 'now' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('an acceptance cut off, or a second one, is counted', async () => {
    const { stream, say } = await opened()
    say(Op.accept, 0)
    await until(() => refused.length === 1, 'it is counted')
    say(Op.accept, u32(5_000))
    await stream.accepted
    say(Op.accept, u32(5_000))
    expect(await rejection(stream.next())).toMatchObject({ code: 'MALFORMED' })
  })

  it('another node, that was not asked, is not heard', async () => {
    const { stream, say } = await opened()
    const eve = await net.join('eve')
    let number = 0
    for (; number < 50; number++) {
      sayRaw(eve, 'alice', number, Op.accept | acceptorFlag, u32(1_000))
      sayRaw(eve, 'alice', number, ...fromAcceptor(data(0, text, 'forged')))
      sayRaw(eve, 'alice', number, Op.reset | acceptorFlag, '{"code":"ABORTED"}')
    }
    await until(() => refused.length >= 50, 'it is counted')
    say(Op.accept, u32(0))
    say(...data(0, text, 'true'))
    expect(await stream.next()).toEqual({ done: false, value: 'true' })
    for (number = 0; number < 50; number++) sayRaw(eve, 'alice', number, Op.reset | acceptorFlag, '{"code":"ABORTED"}')
    await turns(20)
    say(Op.end, u64(1))
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('a reset of any form is one', async () => {
    for (const [json, code] of [
      ['', 'INTERNAL'],
      ['nonsense', 'INTERNAL'],
      ['{"code":"NO SUCH CODE"}', 'INTERNAL'],
      ['{"code":7,"message":{}}', 'INTERNAL'],
      ['null', 'INTERNAL'],
      ['{"__proto__":{"code":"BUSY"}}', 'INTERNAL'],
      ['{"code":"BUSY","message":"later"}', 'BUSY'],
    ] as const) {
      const { stream, say } = await opened()
      say(Op.reset, json)
      expect(await rejection(stream.next())).toMatchObject({ code, target: 'mallory' })
    }
  })

  it('credit and stop do no more than they say', async () => {
    const { stream, say } = await opened()
    const { input } = stream
    say(Op.accept, u32(0))
    const write = input.write('one')
    await stream.accepted
    await turns(10)
    say(Op.credit, u32(100))
    await write
    say(Op.stop)
    expect(await rejection(input.write(Buffer.alloc(1_000)))).toMatchObject({ code: 'STREAM_LOST' })
    say(...data(0, text, 'still here'))
    expect(await stream.next()).toEqual({ done: false, value: 'still here' })
  })
})

describe('any bytes at all on streams', () => {
  it('end no link and no process', async () => {
    alice.on('read', async (_command, ctx) => {
      for await (const _item of ctx.input);
      return 'read'
    })
    const record = fc.tuple(
      fc.integer({ min: 0, max: 4 }),
      fc.oneof(
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom(...Object.values(Op), ...Object.values(Op).map((op) => op | acceptorFlag)),
      ),
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc
          .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 4 }), fc.uint8Array({ maxLength: 20 }))
          .map(([offset, encoding, body]) => Buffer.concat([u64(offset), Buffer.of(encoding), body])),
        fc.constant(Buffer.concat([u32(10_000), Buffer.from([0, 4]), Buffer.from('read')])),
      ),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 60 }), async (records) => {
        for (const [number, op, payload] of records) sayRaw(mallory, 'alice', number, op, payload)
        await turns(8)
        expect(alice.connected).toBe(true)
      }),
      { numRuns: 100 },
    )
    await isWell()
  })
})
