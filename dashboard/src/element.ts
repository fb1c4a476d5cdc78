export type Child = Node | string | number | null | undefined | false

/** Attributes by name; `on` holds listeners. `false` and `undefined` leave an attribute out, `true` sets it empty. */
export interface Attributes {
  readonly on?: { readonly [event: string]: (event: never) => void }
  readonly [name: string]: unknown
}

/** Makes an element. Children that are text become text nodes: nothing from outside is ever read as markup. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') listen(element, attributes.on!)
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? '' : String(value))
  }
  append(element, children)
  return element
}

function listen(element: HTMLElement, listeners: NonNullable<Attributes['on']>): void {
  for (const [event, listener] of Object.entries(listeners)) element.addEventListener(event, listener as EventListener)
}

export function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    element.append(typeof child === 'number' ? String(child) : child)
  }
}

/** Sets text only where it changed, so that a selection and a screen reader are left alone. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

export function replace(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren()
  append(element, children)
}

/** A picture of lines, 24 by 24, in the colour of the text around it. */
export function icon(path: string): SVGElement {
  const space = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(space, 'svg')
  const line = document.createElementNS(space, 'path')
  line.setAttribute('d', path)
  svg.append(line)
  svg.setAttribute('viewBox', '0 0 24 24')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  return svg
}
