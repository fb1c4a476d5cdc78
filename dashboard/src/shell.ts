import { icon, make, say } from './element.js'
import type { Feed } from './feed.js'
import { count, span } from './format.js'
import iconUrl from './icon.svg'
import { readTheme, setTheme, type Theme, themes } from './theme.js'

const entries = [
  [
    '/',
    'Topology',
    'M12 4a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM5 16a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM19 16a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM11 8l-5 8M13 8l5 8M7 18h10',
  ],
  ['/nodes', 'Nodes', 'M4 6h16M4 12h16M4 18h16'],
  ['/traffic', 'Traffic', 'M4 9h14l-4-4M20 15H6l4 4'],
  ['/try', 'Try it', 'M5 12l14-7-5 15-3-6-6-2z'],
  ['/tokens', 'Tokens', 'M14 10a4 4 0 1 0-3 3.9L13 16h2v2h2v2h3v-3l-6.1-6.1'],
  ['/charts', 'Charts', 'M4 19h16M6 15l4-5 4 3 5-7'],
  ['/health', 'Health', 'M3 12h4l3-7 4 14 3-7h4'],
] as const

const themeIcons: { readonly [Key in Theme]: string } = {
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  light:
    'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5',
  dark: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
}

export const brand = () =>
  make('a', { class: 'brand', href: '/' }, make('img', { src: iconUrl, alt: '', width: 26, height: 26 }), 'Sealway')

/** What is around every page: the way to the others, whether all this is live, theme and log-out. */
export class Shell {
  readonly main = make('main', { id: 'main', tabindex: -1 })
  readonly element: HTMLElement
  private readonly links = new Map<string, HTMLAnchorElement>()
  private readonly linkState = make('span', { class: 'link-state', role: 'status' }, 'connecting')
  private readonly nodeCount = make('b')
  private readonly rate = make('b')
  private readonly errors = make('b')
  private readonly about = make('footer')
  private readonly banner = make('p', { class: 'banner', role: 'status', hidden: true })

  constructor(
    private readonly feed: Feed,
    logOut: () => void,
  ) {
    const items = entries.map(([path, title, picture]) => {
      const link = make('a', { href: path }, icon(picture), title)
      this.links.set(path, link)
      return make('li', {}, link)
    })
    this.element = make(
      'div',
      { class: 'shell' },
      make('a', { class: 'skip', href: '#main' }, 'To the content'),
      make(
        'div',
        { class: 'side' },
        brand(),
        make('nav', { 'aria-label': 'Pages' }, make('ul', {}, ...items)),
        this.about,
      ),
      make(
        'header',
        { class: 'top' },
        this.pulse(),
        make('div', { class: 'tools' }, themeButton(), logOutButton(logOut)),
      ),
      this.main,
    )
    feed.on('state', () => this.show())
    feed.on('health', () => this.show())
  }

  /** Shows a page, and moves the focus to its title unless it is the first. */
  open(path: string, element: HTMLElement, moveFocus: boolean): void {
    const root = `/${path.split('/')[1]}`
    const own = root === '/groups' ? '/nodes' : root === '/edges' ? '/' : root
    for (const [at, link] of this.links) {
      if (at === own) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
    showInRow(this.links.get(own))
    this.main.replaceChildren(this.banner, element)
    if (!moveFocus) return
    scrollTo(0, 0)
    element.querySelector('h1')?.focus({ preventScroll: true })
  }

  private pulse(): HTMLElement {
    return make(
      'div',
      { class: 'pulse' },
      this.linkState,
      make('span', {}, this.nodeCount, ' links'),
      make('span', {}, this.rate, ' frames/s'),
      make('span', { class: 'wide' }, this.errors, ' errors/s'),
    )
  }

  private show(): void {
    const { state, health } = this.feed
    const words = { connecting: 'connecting', live: 'live', lost: 'no connection' }[state]
    say(this.linkState, words)
    this.linkState.className = `link-state ${state}`
    this.banner.hidden = state !== 'lost' && !health?.draining
    say(
      this.banner,
      state === 'lost'
        ? 'The mediator does not answer. What you see is what was last known; this page connects again by itself.'
        : 'This mediator is shutting down: nodes finish and leave.',
    )
    if (!health) return
    say(this.nodeCount, count(Object.values(health.links).reduce((sum, links) => sum + links, 0)))
    say(this.rate, count(health.framesPerSecond))
    say(this.errors, count(health.errorsPerSecond))
    say(
      this.about,
      `Sealway ${health.version}, up ${span(health.now - health.startedAt)}. Payloads are sealed: no key that opens them is in the mediator.`,
    )
  }
}

/** Where the menu is one row that is wider than the screen: the page that is open is in its middle. */
function showInRow(link: HTMLElement | undefined): void {
  const row = link?.closest('nav')
  if (!link || !row) return
  const [own, all] = [link.getBoundingClientRect(), row.getBoundingClientRect()]
  row.scrollLeft += own.left + own.width / 2 - (all.left + all.width / 2)
}

const themeWords: { readonly [Key in Theme]: string } = { system: 'as the system', light: 'light', dark: 'dark' }

function themeButton(): HTMLButtonElement {
  const button = make('button', { type: 'button', class: 'quiet' })
  const show = (theme: Theme): void => {
    button.replaceChildren(icon(themeIcons[theme]))
    button.title = `Colours: ${themeWords[theme]}`
    button.setAttribute('aria-label', `Colours: ${themeWords[theme]}. Change`)
  }
  button.addEventListener('click', () => {
    const next = themes[(themes.indexOf(readTheme()) + 1) % themes.length]!
    setTheme(next)
    show(next)
  })
  show(readTheme())
  return button
}

const logOutButton = (logOut: () => void): HTMLButtonElement =>
  make(
    'button',
    { type: 'button', class: 'quiet', title: 'Log out', 'aria-label': 'Log out', on: { click: logOut } },
    icon('M15 4h4v16h-4M10 8l-4 4 4 4M6 12h9'),
  )
