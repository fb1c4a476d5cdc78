import { parseExposed, requestedUpgrade } from '@sealway/protocol'

describe('requestedUpgrade', () => {
  it.each([
    ['websocket', ['Upgrade', 'WebSocket']],
    ['chat/2', ['upgrade', ' chat/2 ']],
    [undefined, ['Upgrade', 'h2c']],
    [undefined, ['Upgrade', 'H2C']],
    [undefined, ['Upgrade', 'websocket, h2c']],
    [undefined, ['Upgrade', 'websocket', 'Upgrade', 'h2c']],
    [undefined, ['Upgrade', '']],
    [undefined, ['Host', 'x']],
  ])('reads %s from %j', (protocol, headers) => expect(requestedUpgrade(headers)).toBe(protocol))
})

describe('the protocols that a node declares', () => {
  it.each([[['h2c']], [['WebSocket']], ['websocket'], [[7]], [Array(17).fill('x')]])('refuses %j', (upgrades) => {
    expect(() => parseExposed({ public: [], upgrades })).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
})
