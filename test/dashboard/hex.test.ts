import { hexLines } from '../../dashboard/src/frame-detail'

describe('sealed bytes in lines', () => {
  it('are sixteen a line, with the place of the first', () => {
    expect(hexLines('00'.repeat(17))).toBe(
      `0000  ${Array(8).fill('00').join(' ')}  ${Array(8).fill('00').join(' ')}\n0010  00`,
    )
  })

  it('are nothing where there is nothing', () => expect(hexLines('')).toBe(''))
})
