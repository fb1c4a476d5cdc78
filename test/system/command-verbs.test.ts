import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { connect, type Node } from '@sealway/client'
import { commandLine } from '../support/command-line'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, type Program, startProgram } from '../support/program'
import { eventually } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
let mediator: TestMediator
let orders: Node
const received: unknown[] = []
const programs: Program[] = []

beforeAll(async () => {
  build()
  mediator = await startMediator()
  orders = await connect(mediator.url, {
    ...{ name: 'orders-1', groups: ['orders'], keys },
    token: () => tokenFor(mediator.jwtSecret, 'orders-1').token,
  })
  orders.on('echo', ({ body }) => body)
  orders.on('note', ({ body }) => void received.push(body))
  orders.on('count', async function* () {
    for (let n = 1; n <= 3; n++) yield { n }
  })
  orders.expose(
    createServer((request, response) => {
      let text = ''
      request.on('data', (part: Buffer) => {
        text += part.toString()
      })
      request.on('end', () => {
        response.statusCode = request.url === '/none' ? 404 : 200
        response.end(`${request.method} ${request.url} ${request.headers['x-sku'] ?? '-'} ${text}`)
      })
    }),
  )
})
afterAll(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await orders?.close()
  await mediator?.mediator.close()
})

/** `sealway-node`, which `sealway` runs for these verbs. */
function start(...args: string[]): Program {
  const program = startProgram(['client-lib/dist/esm/cli.js', ...args], {
    env: { SEALWAY_URL: mediator.url, PROTECTED_BASIC_AND_JWT: mediator.jwtSecret, PROTECTED_AES256: keys },
  })
  programs.push(program)
  return program
}
const run = (...args: string[]) => start(...args).ended

describe('the verbs of the command line', () => {
  it.each([
    ['send', ['send', 'orders-1', 'note', 'hi', '--reach', 'orders'], 'sent note to orders-1\n'],
    [
      'send --acked',
      ['send', 'orders-1', 'note', '{"a":1}', '--acked', '--reach', 'orders'],
      /^processed by orders-1 after \d+ ms\n$/,
    ],
    ['call', ['call', 'any:orders', 'echo', '[1,"two"]', '--json'], '{"reply":[1,"two"]}\n'],
    ['stream', ['stream', 'any:orders', 'count', '--limit', '2'], '{"n":1}\n{"n":2}\n'],
    ['gather', ['gather', 'orders', 'echo', '7'], 'orders-1  7\n'],
    [
      'broadcast',
      ['broadcast', 'orders', 'note', 'all'],
      '1 of 1 members of orders handled note\n  ok       orders-1\n',
    ],
    ['publish', ['publish', 'lots.sold', '{"lot":7}', '--reach', 'orders'], 'lots.sold went to 1 members of orders\n'],
    ['fetch', ['fetch', 'any:orders/x?y=1', '{"a": 1.0}', '--header', 'x-sku: A1'], 'POST /x?y=1 A1 {"a": 1.0}\n'],
    ['peers', ['peers', 'orders'], /^orders-1 {2}tcp {2}orders\n$/],
  ] as const)('%s does what its help says, and prints it', async (_verb, args, output) => {
    const { code, output: printed } = await run(...args)
    expect({ code, printed }).toEqual({
      code: 0,
      printed: typeof output === 'string' ? output : expect.stringMatching(output),
    })
  })

  it('deliver the bodies that were typed', () => {
    expect(received).toEqual(['hi', { a: 1 }, 'all'])
  })

  it('leave no node behind', async () => {
    const sealway = commandLine()
    const environment = {
      PROTECTED_BASIC_AND_JWT: mediator.jwtSecret,
      PROTECTED_ADMIN_PASSWORD: mediator.adminPassword,
      PORT: new URL(mediator.url).port,
      ADMIN_PORT: new URL(mediator.adminUrl).port,
    }
    const names = async () => {
      const { out } = await sealway.run(['nodes', '--json'], environment)
      return (JSON.parse(out) as { nodes: { name: string }[] }).nodes.map(({ name }) => name)
    }
    await eventually(async () => (await names()).join() === 'orders-1', 'only the node with a name is registered')
    sealway.remove()
  })

  it('fetch fails with a status of 400 or more, and prints the answer all the same', async () => {
    expect(await run('fetch', 'any:orders/none')).toEqual({ code: 1, output: 'GET /none - \n' })
  })

  it('subscribe prints events until it is stopped, and then leaves', async () => {
    const subscriber = start('subscribe', 'lots.*', '--group', 'orders', '--name', 'watcher-1')
    await eventually(async () => (await orders.peers('orders')).some(({ name }) => name === 'watcher-1'), 'it is there')
    const publishing = setInterval(() => void orders.publish('lots.sold', { lot: 7 }).catch(() => {}), 50)
    await subscriber.saw(/^lots\.sold {2}orders-1 {2}\{"lot":7\}$/m)
    clearInterval(publishing)
    subscriber.signal('SIGTERM')
    expect((await subscriber.ended).code).toBe(0)
    await eventually(async () => (await orders.peers('orders')).every(({ name }) => name !== 'watcher-1'), 'it left')
  })
})

it('a verb ends, and its node leaves, when the sealway that runs it is killed', async () => {
  const sealway = startProgram(
    ['server/bin/sealway.mjs', 'subscribe', '>', '--group', 'orders', '--name', 'orphan-1'],
    {
      env: { SEALWAY_URL: mediator.url, PROTECTED_BASIC_AND_JWT: mediator.jwtSecret, PROTECTED_AES256: keys },
    },
  )
  programs.push(sealway)
  const isThere = async () => (await orders.peers('orders')).some(({ name }) => name === 'orphan-1')
  await eventually(isThere, 'it subscribed')
  sealway.signal('SIGKILL')
  // The pipes of both programs: they close when the second one has ended.
  await sealway.ended
  await eventually(async () => !(await isThere()), 'it left')
})

describe('a command line that is wrong', () => {
  it.each(['{"a":1', "{'a':1}", '[1,', '"open'])(
    'refuses the body %s, which begins like JSON and is none',
    async (body) => {
      const { code, output } = await run('send', 'any:orders', 'note', body)
      expect({ code, output }).toEqual({
        code: 2,
        output: expect.stringMatching(
          /^INVALID_ARGUMENT: the body begins like JSON and is none: .*--text sends it as text\n/,
        ),
      })
    },
  )

  it('sends such a body as text with --text', async () => {
    expect(await run('call', 'any:orders', 'echo', '{"a":1', '--text')).toEqual({ code: 0, output: '{"a":1\n' })
  })

  it('says with FORBIDDEN which group it reaches, and how to name another', async () => {
    const { code, output } = await run('send', 'orders-1', 'note', 'hi')
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringMatching(/^FORBIDDEN: .*reaches the group demo alone: .*--reach <group> \(`sealway nodes`/),
    })
  })

  it.each([
    [['send', 'any:orders'], '<action> is missing'],
    [['call', 'any:orders', 'echo', '{a:', '1}'], '3 arguments at most, not 4: put the body in quotes'],
    [['peers', 'orders', 'more'], '1 arguments at most, not 2'],
    [['stream', 'any:orders', 'count', '--limit', '0'], '--limit takes a whole number above 0'],
    [['broadcast', 'orders', 'note', '--want', 'ack'], '--want takes acks or replies, not "ack"'],
    [['call', 'any:orders', 'echo', '--timeout', 'soon'], '--timeout takes a whole number above 0'],
    [['peers', 'orders', '--acked'], "'--acked'"],
    [['cal', 'any:orders', 'echo'], 'unknown command "cal"'],
  ])('refuses %j with exit code 2', async (args, said) => {
    const { code, output } = await run(...args)
    expect({ code, output }).toEqual({ code: 2, output: expect.stringContaining(said) })
    expect(output).toMatch(/\nsealway-node( \w+)? --help shows how\n$/)
  })
})
