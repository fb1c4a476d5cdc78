import { make, say } from './element.js'

export type TileMood = '' | 'warn' | 'bad'

/** Numbers that are looked at first: one tile each, made once and then filled. */
export class Tiles {
  readonly element = make('dl', { class: 'tiles' })
  private readonly tiles = new Map<string, { card: HTMLElement; value: HTMLElement; small: HTMLElement }>()

  set(title: string, value: string, small = '', mood: TileMood = ''): void {
    let tile = this.tiles.get(title)
    if (!tile) {
      const text = make('span')
      const fine = make('small')
      const card = make('div', { class: 'card tile' }, make('dt', {}, title), make('dd', {}, text, fine))
      tile = { card, value: text, small: fine }
      this.tiles.set(title, tile)
      this.element.append(card)
    }
    say(tile.value, value)
    say(tile.small, small)
    tile.small.hidden = small === ''
    tile.card.className = `card tile ${mood}`.trimEnd()
  }
}
