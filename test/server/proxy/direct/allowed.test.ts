import { type DirectMode, isAllowed, parseAllowed } from '../../../../server/src/proxy/direct/allowed.js'
import { parseIp, parseRange } from '../../../../server/src/proxy/direct/ip.js'
import { parseHost } from '../../../../server/src/proxy/direct/resolve.js'

function allowed(mode: DirectMode, list: string, address: string, port = 80): boolean {
  const places = list === '' ? [] : parseAllowed(list)
  if (typeof places === 'string') throw new Error(`no places: ${places}`)
  const ip = parseIp(address)
  if (!ip) throw new Error(`no address: ${address}`)
  return isAllowed(mode, places, ip, port)
}

describe('an address', () => {
  it.each([
    ['0.0.0.0', 4, 0n],
    ['127.0.0.1', 4, 0x7f000001n],
    ['255.255.255.255', 4, 0xffffffffn],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['1::', 6, 1n << 112n],
    ['::ffff:1.2.3.4', 6, 0xffff01020304n],
    ['2001:db8::A:b', 6, 0x20010db80000000000000000000a000bn],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['1:2:3:4:5:6:1.2.3.4', 6, 0x00010002000300040005000601020304n],
  ])('%s is version %i', (text, version, value) => {
    expect(parseIp(text)).toEqual({ version, value })
  })

  it.each([
    ...['', '1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '127.0.0.01', '256.0.0.1'],
    ...['1.2.3.4.5', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4', '1..2.3', '１27.0.0.1', '1.2.3.4/8', '1e1.0.0.1', '+1.2.3.4'],
    ...[':', ':::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '::1::', '1::2::3', '::1%lo', '[::1]', '12345::', '::g'],
    ...['::1.2.3', '1.2.3.4::', '1:2:3:4:5:6:7::8', ':1', '1:', '::ffff:0x7f.0.0.1', `${'0'.repeat(50)}:1`],
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeUndefined()
  })

  it.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::1/129', '10.0.0.0/-1', '/8', 'fd00::1/8'])(
    '%j is no range',
    (text) => {
      expect(parseRange(text)).toBeUndefined()
    },
  )
})

describe('a host', () => {
  it.each([
    ['10.0.0.1', { address: '10.0.0.1' }],
    ['::1', { address: '::1' }],
    ['Web-1.Example', { name: 'web-1.example' }],
    ['localhost', { name: 'localhost' }],
    ['my_service', { name: 'my_service' }],
    ['1e100.net', { name: '1e100.net' }],
    ['example.', { name: 'example.' }],
  ])('%s', (text, host) => {
    expect(parseHost(text)).toEqual(host)
  })

  it.each([
    ...['127.1', '2130706433', '0x7f.1', '0x7f000001', '010.0.0.1', '1.2.3.4.5', 'a.1', 'a.0x1', '127.0.0.1.', '0x.'],
    ...['a..b', '.a', 'a b', 'a/b', 'a@b', 'a:80', 'a#b', 'a?b', '[::1]', '::1%lo', 'a\r\nb', 'a\0b', 'ä.example', ''],
    ...['-a', 'a-', `${'a'.repeat(64)}.b`, 'a.'.repeat(130), '169。254。169。254', '%31%32%37.0.0.1'],
  ])('%j is none', (text) => {
    expect(parseHost(text)).toBeUndefined()
  })
})

describe('a direct connection', () => {
  const everything = '0.0.0.0/0:*,[::/0]:*'

  it.each([
    ['10.1.2.3:80', '10.1.2.3', 80],
    ['10.1.0.0/16:80', '10.1.255.255', 80],
    ['10.1.0.0/16:8000-8999', '10.1.0.0', 8_999],
    ['127.0.0.1:*', '127.0.0.1', 65_535],
    ['127.0.0.0/8:80', '127.9.9.9', 80],
    ['[::1]:80', '::1', 80],
    ['[fd00::/8]:443', 'fd12::1', 443],
    ['[fd00:1::/32]:*', 'fd00:1::9', 1],
    ['10.0.0.0/8:1,192.168.0.0/16:80', '192.168.9.9', 80],
    [everything, '93.184.216.34', 80],
    [everything, '2606:2800:220:1::1', 80],
  ])('allowed by %s goes to %s port %i', (list, address, port) => {
    expect(allowed('list', list, address, port)).toBe(true)
  })

  it.each([
    ['10.1.0.0/16:80', '10.2.0.0', 80],
    ['10.1.0.0/16:80', '10.1.0.1', 81],
    ['10.1.0.0/16:8000-8999', '10.1.0.0', 9_000],
    ['10.1.0.0/16:8000-8999', '10.1.0.0', 7_999],
    ['10.1.2.3:80', '::ffff:10.1.2.3', 80],
    ['[fd00::/8]:443', 'fc00::1', 443],
  ])('allowed by %s does not go to %s port %i', (list, address, port) => {
    expect(allowed('list', list, address, port)).toBe(false)
  })

  it.each([
    ...['127.0.0.1', '127.255.255.255', '::1', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '100.64.0.1'],
    ...['100.100.100.200', '198.18.0.1', '192.0.0.192', 'fc00::1', 'fdff::1', '0.0.0.0', '0.1.2.3', '169.254.0.1'],
    ...['169.254.169.254', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '::', '::2', '::7f00:1'],
    ...[
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::ffff:0:8.8.8.8',
      '64:ff9b::7f00:1',
      '64:ff9b::808:808',
      '64:ff9b:1::1',
    ],
    ...['2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2002:7f00:1::', '2002:808:808::', 'fe80::1', 'febf::1'],
    ...['fec0::1', 'ff02::1', 'fd00:ec2::254', '2001:db8::1', '100::1', '192.88.99.1'],
  ])('allowed to go everywhere does not go to %s', (address) => {
    expect(allowed('list', everything, address)).toBe(false)
  })

  it.each(['169.254.169.254', '0.0.0.0', '224.0.0.1', '255.255.255.255'])(
    'does not go to %s, not even where it is listed',
    (address) => {
      expect(allowed('list', `${address}:*`, address)).toBe(false)
    },
  )

  it('for development goes to this machine and nowhere else; off, nowhere', () => {
    for (const address of ['127.0.0.1', '127.1.2.3', '::1']) expect(allowed('loopback', '', address)).toBe(true)
    for (const address of ['10.0.0.1', '8.8.8.8', '::ffff:127.0.0.1', '169.254.169.254', '0.0.0.0', '::']) {
      expect(allowed('loopback', '', address)).toBe(false)
    }
    for (const address of ['127.0.0.1', '8.8.8.8']) expect(allowed('off', everything, address)).toBe(false)
  })

  it.each([
    ...[
      '',
      '10.0.0.0/8',
      ':80',
      '10.0.0.0/8:',
      '10.0.0.0/8:0',
      '10.0.0.0/8:65536',
      '10.0.0.0/8:9-8',
      'x:80',
      'fd00::/8:80',
    ],
    ...['10.0.0.1/8:80', '10.0.0.0/8:80,', '10.0.0.0/8:80;11.0.0.0/8:80', '[10.0.0.0/8:80', '[::1:80', '10.0.0.0/8:-1'],
  ])('%j is no list', (text) => {
    expect(typeof parseAllowed(text)).toBe('string')
  })
})
