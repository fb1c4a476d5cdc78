import { decodeLatin1, encodeLatin1, readLatin1, writeLatin1 } from '../../protocol/src/latin1'

const every = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code))
const texts = ['', 'GET / HTTP/1.1', every, `${every}${every}`, 'é', 'aé', 'éa', 'plain é plain ÿ plain']

it.each(texts.map((text) => [text.length, text] as const))(
  'writes and reads one byte a character (%d)',
  (_length, text) => {
    const expected = Uint8Array.from(text, (character) => character.charCodeAt(0))
    for (const write of [writeLatin1, encodeLatin1]) {
      const bytes = new Uint8Array(text.length + 4).fill(0xee)
      write(bytes, 2, text)
      expect(bytes.subarray(2, -2)).toEqual(expected)
      expect([bytes[0], bytes[1], bytes.at(-2), bytes.at(-1)]).toEqual([0xee, 0xee, 0xee, 0xee])
      for (const read of [readLatin1, decodeLatin1]) expect(read(bytes, 2, text.length + 2)).toBe(text)
    }
  },
)
