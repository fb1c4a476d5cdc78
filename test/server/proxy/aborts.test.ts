import { limits } from '@sealway/protocol'
import type { ExchangeNode, NodeExchange } from '../../support/exchange-node'
import { ByName } from '../../support/http-by-name'
import type { RawClient } from '../../support/raw-http'
import { eventually } from '../../support/until'

/** Clients of each state: 250 times 5 is more than the 1,000 of RELIABILITY H3. */
const each = 250

let world: ByName
let node: ExchangeNode
afterEach(() => world.close())

const head = (method: string, ...more: string[]) => [
  ...[`${method} /one/g/n/x HTTP/1.1`, 'Host: x', `Authorization: Bearer ${world.bearer}`, ...more, '', ''],
]

const nothing = () => {}
const states: [name: string, begin: (client: RawClient) => void, answer: (nth: number) => void][] = [
  ['waits for an answer', (client) => client.send(...head('GET')), nothing],
  [
    'listens to events',
    (client) => client.send(...head('GET')),
    (nth) => node.exchanges[nth]!.respond(200, ['Content-Type', 'text/event-stream'], 'data: 1\n\n', false),
  ],
  [
    'uploads',
    (client) => client.send(...head('POST', 'Content-Length: 100000000')).socket.write(Buffer.alloc(100_000)),
    nothing,
  ],
  ['waits for a switch', (client) => client.send(...head('GET', 'Connection: Upgrade', 'Upgrade: x')), nothing],
  [
    'has switched',
    (client) => client.send(...head('GET', 'Connection: Upgrade', 'Upgrade: x')),
    (nth) => node.exchanges[nth]!.respond(101, [], 'x', false),
  ],
]

const isTold = ({ resetCode, switched, ended }: NodeExchange) => resetCode === 'ABORTED' || (switched && ended)

it.each(states)('H3: nothing is left of 250 clients that %s and go', async (_name, begin, answer) => {
  world = await ByName.start({ limits: { maxExchangesPerLink: limits.maxExchangesPerLink } })
  node = await world.node()
  const clients = Array.from({ length: each }, () => world.raw())
  for (const client of clients) begin(client)
  await node.exchange(each - 1)
  if (answer !== nothing) {
    for (let nth = 0; nth < each; nth++) answer(nth)
    await Promise.all(clients.map((client) => client.until('beginning', () => client.statuses.length > 0)))
  }
  expect(world.started.mediator.proxy.inFlight()).toEqual({ requests: each, exchanges: each })
  for (const [i, client] of clients.entries()) {
    if (i % 2 === 0) client.socket.resetAndDestroy()
    else client.destroy()
  }
  await node.until('a word about each', () => node.exchanges.every(isTold))
  // Half of a connection that was switched may end before the other: the app decides, and ends, too.
  const halves = node.exchanges.filter(({ resetCode }) => resetCode === undefined)
  for (const exchange of halves) exchange.data('', true)
  const { proxy, relay } = world.started.mediator
  await eventually(() => proxy.inFlight().requests === 0, 'nothing is under way')
  expect(proxy.inFlight()).toEqual({ requests: 0, exchanges: 0 })
  expect(proxy.outcomes.of('ABORTED') + proxy.outcomes.of('ANSWERED')).toBe(each)
  expect(proxy.outcomes.of('ANSWERED')).toBeLessThanOrEqual(halves.length)
  await eventually(() => relay.budget.usedBytes === 0, 'nothing is held')
  expect(node.closed).toBe(false)
})
