import { make } from './element.js'
import type { LiveFrame } from './feed.js'
import { bytes, clockTime, millis } from './format.js'
import { nodePath } from './routes.js'

/** Of the sealed header, which is authenticated, but not encrypted: 80 bytes. */
export const headerDigits = 160

/** One frame as the mediator has it, which is not much. */
export function frameDetail(frame: LiveFrame): HTMLElement {
  const facts: readonly (readonly [string, Node | string])[] = [
    ['Time', clockTime(frame.at)],
    ['From', make('a', { href: nodePath(frame.from) }, frame.from)],
    ['To', frame.to],
    ...(frame.taker !== null && frame.taker !== frame.to
      ? [['Handed to', make('a', { href: nodePath(frame.taker) }, frame.taker)] as const]
      : []),
    ['Size', bytes(frame.bytes)],
    ['Outcome', make('span', { class: frame.outcome === 'DELIVERED' ? 'tag good' : 'tag bad' }, frame.outcome)],
    ['In the mediator', millis(frame.ms)],
  ]
  return make(
    'div',
    { class: 'frame-detail' },
    make(
      'dl',
      { class: 'facts' },
      ...facts.flatMap(([title, value]) => [make('dt', {}, title), make('dd', {}, value)]),
    ),
    make(
      'div',
      {},
      ...hexBlock('Ciphertext, its beginning', frame.sealed.slice(headerDigits)),
      ...hexBlock('Header', frame.sealed.slice(0, headerDigits)),
      make(
        'p',
        { class: 'muted' },
        'The mediator cannot open this: it has no key that could. The header says with which key of the nodes it was sealed, when, and for how long it is good.',
      ),
    ),
  )
}

const hexBlock = (title: string, hex: string): readonly HTMLElement[] => [
  make('h3', {}, title),
  make('pre', { class: 'hex', tabindex: 0, 'aria-label': `${title}, as hexadecimal digits` }, hexLines(hex)),
]

/** `0000  a1 b2 ...`, sixteen bytes a line. */
export function hexLines(hex: string): string {
  const pairs = hex.match(/../g) ?? []
  const lines: string[] = []
  for (let at = 0; at < pairs.length; at += 16) {
    const line = pairs.slice(at, at + 16)
    lines.push(
      `${at.toString(16).padStart(4, '0')}  ${line.slice(0, 8).join(' ')}  ${line.slice(8).join(' ')}`.trimEnd(),
    )
  }
  return lines.join('\n')
}
