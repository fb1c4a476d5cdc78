import { Stage } from './stage.js'

let stage: Stage
beforeAll(async () => {
  stage = await Stage.open()
})
afterAll(() => stage?.close())

const histories = async (first: number, last: number) =>
  (await stage.play(first, last, { whole: true })).map(({ history }) => history)

it('the same seed has the same history, line by line', async () => {
  const first = await histories(1, 25)
  const second = await histories(1, 25)
  expect(first.every((history) => history !== undefined && history.length > 100)).toBe(true)
  expect(second).toEqual(first)
})

it('another seed has another history', async () => {
  expect(new Set(await histories(1, 25)).size).toBe(25)
})

it('the seeds play all there is: both mediators, every fault, every verb', async () => {
  const scripts: string[] = []
  const seen = new Set<string>()
  for (const played of await stage.play(1, 100)) {
    const { board, faults, hostile, tight } = played.script
    scripts.push(board, ...Object.keys(faults))
    if (hostile) scripts.push('hostile')
    if (tight) scripts.push('tight')
    for (const what of played.seen) seen.add(what)
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
