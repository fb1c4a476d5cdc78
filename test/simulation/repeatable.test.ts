import { simulate } from './scenario.js'

it('the same seed has the same history, line by line', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    expect(String(second.history)).toBe(String(first.history))
  }
})

it('another seed has another history', async () => {
  const histories = new Set<string>()
  for (let seed = 1; seed <= 25; seed++) histories.add(String((await simulate(seed)).history))
  expect(histories.size).toBe(25)
})

it('the seeds play all there is: both mediators, every fault, every verb', async () => {
  const scripts: string[] = []
  const seen = new Set<string>()
  for (let seed = 1; seed <= 100; seed++) {
    const { script, history } = await simulate(seed)
    scripts.push(script.board, ...Object.keys(script.faults))
    if (script.hostile) scripts.push('hostile')
    if (script.tight) scripts.push('tight')
    for (const event of history.events) seen.add(event.type === 'invoke' ? event.verb : event.type)
  }
  expect([...new Set(scripts)].sort()).toEqual(
    ['relay', 'kit', 'drop', 'duplicate', 'reorder', 'spread', 'disconnect', 'delay', 'hostile', 'tight'].sort(),
  )
  for (const what of [
    ...['send', 'sendAcked', 'call', 'broadcast', 'gather', 'publish', 'stream'],
    ...[
      'ok',
      'fail',
      'unknown',
      'run',
      'ran',
      'gap',
      'refused',
      'dropped',
      'connected',
      'disconnected',
      'crashed',
      'broken',
    ],
  ]) {
    expect(seen).toContain(what)
  }
})
