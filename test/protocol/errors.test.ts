import {
  codeFromNumber,
  codeNumber,
  codeTable,
  httpStatusOf,
  isCode,
  meaningOf,
  retryOf,
  SealwayError,
} from '@sealway/protocol'

it('gives every code one number of 16 bits and one name', () => {
  expect(new Set(codeTable.map(([number]) => number)).size).toBe(codeTable.length)
  expect(new Set(codeTable.map(([, name]) => name)).size).toBe(codeTable.length)
  for (const [number, name, retry, status, meaning] of codeTable) {
    expect(number > 0 && number < 65_536).toBe(true)
    expect(name).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
    expect([codeNumber(name), codeFromNumber(number)]).toEqual([number, name])
    expect([retryOf(name), meaningOf(name), httpStatusOf(name)]).toEqual([retry, meaning, status || 500])
  }
})

it('keeps the numbers of the wire', () => {
  expect(codeNumber('MALFORMED')).toBe(1)
  expect(codeNumber('OFFLINE')).toBe(13)
  expect(codeNumber('CANNOT_OPEN')).toBe(40)
  expect(codeNumber('STALE_INCARNATION')).toBe(55)
})

it('knows no other codes', () => {
  expect(codeFromNumber(0)).toBeUndefined()
  expect(codeFromNumber(65_535)).toBeUndefined()
  expect([isCode('OFFLINE'), isCode('offline'), isCode('__proto__'), isCode(13)]).toEqual([true, false, false, false])
})

it('carries what an error says, and assumes the worst of what it does not', () => {
  const cause = new Error('socket closed')
  const full = new SealwayError('OFFLINE', {
    message: 'billing-2 is not connected',
    outcome: 'not-delivered',
    target: 'billing-2',
    hop: 'mediator',
    afterMs: 3,
    data: { n: 1 },
    cause,
  })
  expect(full).toMatchObject({
    name: 'SealwayError',
    code: 'OFFLINE',
    outcome: 'not-delivered',
    retry: 'later',
    target: 'billing-2',
    hop: 'mediator',
    afterMs: 3,
    data: { n: 1 },
    cause,
  })
  const bare = new SealwayError('TIMEOUT')
  expect(bare).toMatchObject({ message: 'the deadline passed', outcome: 'unknown', target: undefined, data: undefined })
  expect('cause' in bare).toBe(false)
})
