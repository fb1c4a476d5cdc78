import { type Child, make } from './element.js'

/** The title of a page, what it is, and what can be done with all of it. */
export const head = (title: string, text: Child, ...tools: readonly Child[]): HTMLElement =>
  make(
    'div',
    { class: 'head' },
    make('div', {}, make('h1', { tabindex: -1 }, title), make('p', {}, text)),
    ...(tools.length > 0 ? [make('div', { class: 'row' }, ...tools)] : []),
  )

export const empty = (title: string, ...children: readonly Child[]): HTMLElement =>
  make('div', { class: 'empty' }, make('h2', {}, title), ...children)

export const command = (text: string): HTMLElement => make('code', { class: 'command' }, text)

/** A field with a label that is read out, and shown unless its placeholder says the same. */
export function field(label: string, input: HTMLElement, note?: string): HTMLLabelElement {
  return make('label', { class: 'field' }, make('span', {}, label), input, note ? make('small', {}, note) : null)
}

/** An input for a filter: its placeholder is its label. */
export const filterInput = (
  label: string,
  input: (value: string) => void,
  attributes: object = {},
): HTMLInputElement => {
  const element = make('input', {
    type: 'search',
    placeholder: label,
    'aria-label': label,
    spellcheck: 'false',
    autocapitalize: 'off',
    ...attributes,
  })
  element.addEventListener('input', () => input(element.value.trim()))
  return element
}

export function choice(
  label: string,
  options: readonly (readonly [value: string, title: string])[],
  chosen: (value: string) => void,
): HTMLSelectElement {
  const select = make('select', { 'aria-label': label })
  for (const [value, title] of options) select.append(make('option', { value }, title))
  select.addEventListener('change', () => chosen(select.value))
  return select
}
