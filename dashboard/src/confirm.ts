import { make } from './element.js'

export interface Question {
  readonly title: string
  readonly text: string
  /** What the button says that does it. */
  readonly verb: string
  readonly dangerous?: boolean
}

/** Asks before something is changed. @returns whether it was confirmed */
export function confirm({ title, text, verb, dangerous = false }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = make(
      'dialog',
      { class: 'dialog', 'aria-labelledby': 'confirm-title' },
      make('h2', { id: 'confirm-title' }, title),
      make('p', {}, text),
      make(
        'form',
        { method: 'dialog', class: 'row end' },
        make('button', { value: 'no', class: 'button', autofocus: true }, 'Cancel'),
        make('button', { value: 'yes', class: dangerous ? 'button danger' : 'button primary' }, verb),
      ),
    )
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue === 'yes')
    })
    document.body.append(dialog)
    dialog.showModal()
  })
}
