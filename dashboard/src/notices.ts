import { icon, make } from './element.js'

export type Mood = 'good' | 'bad' | 'plain'

const shownMs = 6_000
const maxShown = 4

/** Short messages that go away; screen readers are told of each. */
export class Notices {
  readonly element = make('div', { class: 'notices', role: 'status', 'aria-live': 'polite' })

  show(text: string, mood: Mood = 'plain'): void {
    const close = make(
      'button',
      { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', on: { click: () => notice.remove() } },
      icon('M6 6l12 12M18 6L6 18'),
    )
    const notice = make('div', { class: `notice ${mood}` }, make('span', {}, text), close)
    this.element.append(notice)
    while (this.element.childElementCount > maxShown) this.element.firstElementChild!.remove()
    setTimeout(() => notice.remove(), mood === 'bad' ? shownMs * 2 : shownMs)
  }
}
