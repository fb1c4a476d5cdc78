import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNet } from '@sealway/client/testing'
import { Journal } from './journal.js'
import { perform } from './perform.js'
import { service } from './service.js'

/** This service and another one, on a mediator inside this test: no port, no waiting. */
async function formation() {
  const net = testNet()
  const options = { groups: ['__GROUP__'] }
  const node = await net.connect('__NAME__', options)
  const journal = new Journal({ name: node.name, groups: [...node.groups], reaches: [], mediator: 'in this test' })
  service(node)
  journal.follow(node)
  return { net, node, journal, other: await net.connect('other', options) }
}

test('it greets who calls', async () => {
  const { net, other } = await formation()
  const answer = await net.until(other.call('any:__GROUP__', 'greet', { name: 'Ada' }))
  assert.deepEqual(answer, { hello: 'Ada', from: '__NAME__' })
  await net.close()
})

test('a greeting without a name is an error that the caller can handle', async () => {
  const { net, other } = await formation()
  const call = net.until(other.call('__NAME__', 'greet'))
  await assert.rejects(call, (error) => other.isExpected(error, 'NO_NAME'))
  await net.close()
})

test('it sends, calls and broadcasts, and says what came of it', async () => {
  const { net, node, journal, other } = await formation()
  service(other)
  const outcomes = []
  for (const [verb, to, action] of [
    ['send', 'other', 'note'],
    ['call', 'other', 'greet'],
    ['broadcast', '__GROUP__', 'greet'],
    ['call', 'nobody', 'greet'],
  ]) {
    outcomes.push((await net.until(perform(node, journal, { verb, to, action, body: { name: 'Ada' } }))).outcome)
  }
  assert.deepEqual(outcomes.slice(0, 3), [
    'on its way',
    'answer: {"hello":"Ada","from":"other"}',
    'done by other; failed none; no answer from none',
  ])
  assert.match(String(outcomes[3]), /^UNKNOWN_NODE \(not-delivered\)/)
  await net.close()
})

test('it writes down what arrived and what was answered, and who is there', async () => {
  const { net, journal, other } = await formation()
  await other.send('__NAME__', 'note', { text: 'hello' })
  await net.until(other.call('__NAME__', 'greet', { name: 'Ada' }))
  assert.deepEqual(
    journal.entries.map(({ who, what, body, outcome }) => [who, what, body, outcome]),
    [
      ['other', 'note', '{"text":"hello"}', 'taken'],
      ['other', 'greet', '{"name":"Ada"}', 'answered {"hello":"Ada","from":"__NAME__"}'],
    ],
  )
  assert.deepEqual(
    journal.peers.map(({ name }) => name),
    ['other'],
  )
  await net.close()
})
