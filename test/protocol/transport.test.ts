import { type Connection, type MemoryPairOptions, memoryPair } from '@sealway/protocol'

/** Runs what the pair schedules when told to, so that each step can be looked at. */
function stepper() {
  const queue: (() => void)[] = []
  const run = () => {
    for (let next = queue.shift(); next; next = queue.shift()) next()
  }
  return { schedule: (deliver: () => void) => void queue.push(deliver), run }
}

function open(options: MemoryPairOptions = {}) {
  const { schedule, run } = stepper()
  const [left, right] = memoryPair({ ...options, schedule })
  return { left, right, run, atLeft: record(left), atRight: record(right) }
}

function record(connection: Connection): string[] {
  const events: string[] = []
  connection.start({
    data: (chunk) => void events.push(Buffer.from(chunk).toString()),
    drain: () => void events.push('<drain>'),
    close: (error) => void events.push(error ? '<error>' : '<close>'),
  })
  return events
}

const text = (...parts: string[]) => parts.map((part) => Buffer.from(part))

it('carries bytes in order, both ways', () => {
  const { left, right, run, atLeft, atRight } = open()
  left.write(text('a', 'b'))
  left.write(text('c'))
  right.write(text('z'))
  run()
  expect([atRight, atLeft]).toEqual([['a', 'b', 'c'], ['z']])
})

it('delivers in a later turn, on its own where nothing else is given', async () => {
  const [left, right] = memoryPair()
  const events = record(right)
  left.write(text('a'))
  expect(events).toEqual([])
  await Promise.resolve()
  expect(events).toEqual(['a'])
})

it('copies what is written, as a socket would', () => {
  const { left, run, atRight } = open()
  const buffer = Buffer.from('a')
  left.write([buffer])
  buffer.write('x')
  run()
  expect(atRight).toEqual(['a'])
})

it('keeps what arrives before the start', () => {
  const { schedule, run } = stepper()
  const [left, right] = memoryPair({ schedule })
  left.write(text('early'))
  run()
  const events = record(right)
  run()
  expect(events).toEqual(['early'])
})

it('says when bytes wait, and drains once when half of them are read', () => {
  const { left, right, run, atLeft, atRight } = open({ highWaterBytes: 4 })
  right.pause()
  expect(left.write(text('abcd'))).toBe(true)
  expect(left.write(text('e'))).toBe(false)
  run()
  expect([atLeft, atRight]).toEqual([[], []])
  right.resume()
  run()
  expect([atLeft, atRight]).toEqual([['<drain>'], ['abcd', 'e']])
})

it('end delivers what was written, then closes both sides once', () => {
  const { left, right, run, atLeft, atRight } = open()
  left.write(text('last'))
  left.end()
  left.end()
  run()
  expect([atLeft, atRight]).toEqual([['<close>'], ['last', '<close>']])
  right.write(text('too late'))
  right.destroy()
  run()
  expect([atLeft, atRight]).toEqual([['<close>'], ['last', '<close>']])
})

it('destroy loses what was not read', () => {
  const { left, run, atLeft, atRight } = open()
  left.write(text('lost'))
  left.destroy()
  run()
  expect([atLeft, atRight]).toEqual([['<close>'], ['<close>']])
})

it('a reader that pauses in the middle gets the rest when it resumes', () => {
  const { schedule, run } = stepper()
  const [left, right] = memoryPair({ schedule })
  const events: string[] = []
  right.start({
    data: (chunk) => {
      events.push(Buffer.from(chunk).toString())
      right.pause()
    },
    drain: () => {},
    close: () => void events.push('<close>'),
  })
  left.write(text('a', 'b'))
  left.end()
  run()
  expect(events).toEqual(['a'])
  right.resume()
  run()
  right.resume()
  run()
  expect(events).toEqual(['a', 'b', '<close>'])
})

it('refuses a second start', () => {
  const { left } = open()
  expect(() => record(left)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
