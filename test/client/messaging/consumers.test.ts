import { Consumers } from '../../../client-lib/src/messaging/topics/consumers.js'

const mail = [{ pattern: 'orders.created', consumer: 'mail' }]
const stock = [{ pattern: 'orders.created', consumer: 'stock' }]

let consumers: Consumers
beforeEach(() => {
  consumers = new Consumers()
})
const chosen = () => Object.fromEntries(consumers.choose('orders.created'))

it('the first answer counts, though the node was asked again before it came', () => {
  const first = consumers.ask('a')
  const second = consumers.ask('a')
  first(mail)
  expect(chosen()).toEqual({ mail: 'a' })
  second(stock)
  expect(chosen()).toEqual({ stock: 'a' })
})

it('an answer to an older question does not replace that to a newer one', () => {
  const first = consumers.ask('a')
  const second = consumers.ask('a')
  second(stock)
  first(mail)
  expect(chosen()).toEqual({ stock: 'a' })
})

it('what a node says by itself is newer than the answers to all questions before', () => {
  const first = consumers.ask('a')
  const second = consumers.ask('a')
  consumers.told('a', stock)
  first(mail)
  second(mail)
  expect(chosen()).toEqual({ stock: 'a' })
  consumers.ask('a')(mail)
  expect(chosen()).toEqual({ mail: 'a' })
})

it('answers of a node that has left are ignored, until it is asked again', () => {
  const before = consumers.ask('a')
  consumers.left('a')
  before(mail)
  expect(chosen()).toEqual({})
  const after = consumers.ask('a')
  before(stock)
  expect(chosen()).toEqual({})
  after(mail)
  expect(chosen()).toEqual({ mail: 'a' })
})

it('an answer counts once, and a question that was never answered is in nobody’s way', () => {
  consumers.ask('a')
  const second = consumers.ask('a')
  second(mail)
  consumers.told('a', stock)
  second(mail)
  expect(chosen()).toEqual({ stock: 'a' })
})
