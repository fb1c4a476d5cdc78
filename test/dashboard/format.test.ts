import { bytes, clockTime, count, dateTime, millis, plural, span } from '../../dashboard/src/format'

describe('numbers of the dashboard', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1_234, '1,234'],
    [12_345, '12.3k'],
    [250_000, '250k'],
    [4_000_000, '4M'],
    [2_500_000_000, '2.5G'],
  ])('count %d is %s', (value, text) => expect(count(value)).toBe(text))

  it.each([
    [0, '0 B'],
    [1_023, '1,023 B'],
    [1_024, '1 KiB'],
    [1_536, '1.5 KiB'],
    [300 * 1_024, '300 KiB'],
    [5 * 1_024 ** 3, '5 GiB'],
    [9_000 * 1_024 ** 4, '9000 TiB'],
  ])('%d bytes are %s', (value, text) => expect(bytes(value)).toBe(text))

  it.each([
    [null, '–'],
    [0, '0 ms'],
    [0.123, '0.12 ms'],
    [3.44, '3.4 ms'],
    [120.4, '120 ms'],
    [1_500, '1.5 s'],
  ])('%p ms are %s', (value, text) => expect(millis(value)).toBe(text))

  it.each([
    [-5, '0 s'],
    [59_400, '59 s'],
    [61_000, '1 min'],
    [3_600_000, '1 h'],
    [12_000_000, '3 h 20 min'],
    [93_600_000, '1 d 2 h'],
    [172_800_000, '2 d'],
  ])('a span of %d ms is %s', (value, text) => expect(span(value)).toBe(text))

  it('says times of the clock with the same number of digits', () => {
    const at = new Date(2026, 2, 1, 4, 5, 6, 7).getTime()
    expect(clockTime(at)).toBe('04:05:06.007')
    expect(dateTime(at)).toBe('2026-03-01 04:05')
  })

  it('says one node, and two nodes', () => {
    expect([plural(1, 'node'), plural(2, 'node'), plural(0, 'node')]).toEqual(['1 node', '2 nodes', '0 nodes'])
  })
})
