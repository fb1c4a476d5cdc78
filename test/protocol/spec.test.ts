import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeTable, FrameType, Kind, limits, offset, SealFlag } from '@sealway/protocol'
import { defaultSkewMs, durableTtlMs, maxLiveTtlMs } from '../../client-lib/src/crypto/open.js'
import { ReceiptStatus } from '../../client-lib/src/crypto/receipt.js'
import { windowFrames } from '../../client-lib/src/crypto/window.js'
import { maxChunkBytes } from '../../client-lib/src/messaging/streams/outbound.js'
import { acceptorFlag, dataCost, Op } from '../../client-lib/src/messaging/streams/wire.js'
import { tableRows } from '../support/markdown'

const spec = readFileSync(join(__dirname, '../../protocol/SPEC.md'), 'utf8')

/** What stands under a heading, up to the next one of any level. */
function section(heading: string): string {
  const [, text] = spec.split(new RegExp(`^#+ ${heading}$`, 'm'))
  if (text === undefined) throw new Error(`SPEC.md has no heading ${heading}`)
  return text.split(/^#+ /m)[0]!
}

it('lists each code with its number, retry, status and meaning, and no other', () => {
  expect(tableRows(section('Codes'))).toEqual(
    codeTable.map(([number, code, retry, status, meaning]) => [
      String(number),
      `\`${code}\``,
      retry,
      (status as number) === 0 ? '-' : String(status),
      meaning,
    ]),
  )
})

it('lists each limit with its value, and no other', () => {
  const listed = tableRows(section('Limits')).map(([name, value]) => [name, Number(value!.replaceAll(',', ''))])
  expect(listed).toEqual(Object.entries(limits).map(([name, value]) => [`\`${name}\``, value]))
})

it('lists each type of frame with its number, and no other', () => {
  const listed = tableRows(section('Frames')).map(([type, number]) => [type, Number(number)])
  expect(listed).toEqual(Object.entries(FrameType))
})

it('lays out the sealed header as the code reads it', () => {
  const rows = tableRows(section('Sealed frames'))
  const listed = rows.map(([at, , field]) => [field, Number(at)]).filter(([, at]) => (at as number) < 80)
  expect(listed).toEqual(Object.entries(offset))
  const words = (names: object) =>
    Object.entries(names)
      .map(([name, value]) => `${value} ${name === 'forwardSecret' ? 'forward secret' : name}`)
      .join(', ')
  expect(rows.find(([, , field]) => field === 'kind')?.[3]).toBe(words(Kind))
  expect(rows.find(([, , field]) => field === 'flags')?.[3]).toBe(words(SealFlag))
})

it('lists each status of a receipt, and no other', () => {
  const listed = tableRows(section('Receipts')).map(([status, meaning]) => [meaning!.split(':')[0], Number(status)])
  const named = Object.entries(ReceiptStatus).map(([name, value]) => [
    name.replace(/[A-Z]/, (capital) => ` ${capital.toLowerCase()}`),
    value,
  ])
  expect(listed).toEqual(named)
})

it('lists each op of a stream with its number, and no other', () => {
  const listed = tableRows(section('Streams')).map(([op, number]) => [op, Number(number)])
  expect(listed).toEqual(Object.entries(Op))
})

it('says the sizes of streams that the code keeps', () => {
  const text = section('Streams')
  expect(text).toContain(`at most ${maxChunkBytes.toLocaleString('en')} in a record`)
  expect(text).toContain(`the length of its body and ${dataCost}.`)
  expect(text).toContain(`Flag \`0x${acceptorFlag.toString(16)}\` of the op`)
})

it('says the times and sizes of opening that the code keeps', () => {
  expect(section('Sealed frames')).toContain(`${limits.callTimeoutMs / 1_000} s, or ${durableTtlMs / 86_400_000} days`)
  expect(section('Sealed frames')).toContain(`at most ${maxLiveTtlMs / 60_000} min`)
  expect(section('Opening')).toContain(`${defaultSkewMs / 1_000} s by default`)
  expect(section('Opening')).toContain(`more than ${(windowFrames - 1).toLocaleString('en')} behind`)
})

it('has the known answers of the vectors', () => {
  const vectors = JSON.parse(readFileSync(join(__dirname, '../../protocol/vectors/sealed.json'), 'utf8'))
  const [first, second] = vectors.positive as { kid: string; sealed: string }[]
  const text = section('Known answer')
  for (const value of [first!.kid, first!.sealed.slice(160), second!.sealed.slice(160)]) expect(text).toContain(value)
})
