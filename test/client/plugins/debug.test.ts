import type { Node } from '../../../client-lib/src/node.js'
import { debug } from '../../../client-lib/src/plugins/debug.js'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'

let net: Net
let alice: Node
let bob: Node
let lines: string[]
beforeEach(async () => {
  lines = []
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

const print = (line: string) => void lines.push(line.replace(/[\d.]+ ms/, '# ms'))

it('prints a line for each command: key, action, from, to, size, duration, outcome', async () => {
  bob.use(debug({ print }))
  bob.on('ask', async () => 1)
  bob.on('fail', (_command, ctx) => {
    throw ctx.fail('OUT_OF_STOCK')
  })
  await alice.call('bob', 'ask', 'four')
  await rejection(alice.call('any:g', 'fail', { a: 1 }))
  await rejection(alice.call('bob', 'unheard-of'))
  await alice.send('bob', 'ask')
  await until(() => lines.length === 4, 'four lines')
  expect(lines).toEqual([
    'alice/1 ask from alice to bob, 4 B, # ms: answered',
    'alice/2 fail from alice to any:g, 7 B, # ms: failed OUT_OF_STOCK',
    'alice/3 unheard-of from alice to bob, 0 B, # ms: refused NO_HANDLER',
    'alice/-1 ask from alice to bob, 0 B, # ms: answered',
  ])
})

it('makes a handler crash on purpose, and the node goes on', async () => {
  bob.use(debug({ print }))
  const error = await rejection(alice.call('bob', 'debug.kaboom'))
  expect(error).toMatchObject({ code: 'EXCEPTION', hop: 'receiver' })
  expect(error.message).toMatch(/kaboom$/)
  expect(lines).toEqual(['alice/1 debug.kaboom from alice to bob, 0 B, # ms: crashed "kaboom"'])
  expect((await rejection(alice.call('bob', 'debug.kaboom'))).code).toBe('EXCEPTION')
})

it('does without that where it is told to', async () => {
  bob.use(debug({ print, kaboom: false }))
  expect((await rejection(alice.call('bob', 'debug.kaboom'))).code).toBe('NO_HANDLER')
})

it('escapes what could forge a line or move the cursor', async () => {
  bob.use(debug({ print }))
  bob.on('*', () => {
    throw new Error('two\nlines \u001b[2J')
  })
  await rejection(alice.call('bob', 'x\nalice/9 forged\u001b[2J'))
  expect(lines).toHaveLength(1)
  for (const control of ['\n', '\u001b']) expect(lines[0]).not.toContain(control)
})

it('prints to the console unless told where', async () => {
  const log = jest.spyOn(console, 'log').mockImplementation(() => {})
  try {
    bob.use(debug())
    await rejection(alice.call('bob', 'unheard-of'))
    expect(log).toHaveBeenCalledTimes(1)
  } finally {
    log.mockRestore()
  }
})
