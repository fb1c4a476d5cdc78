import { Api, messageOf } from './api.js'
import { make } from './element.js'
import { Feed } from './feed.js'
import { openLogin } from './login.js'
import { Notices } from './notices.js'
import type { Context, Page, Tab } from './page.js'
import { match } from './routes.js'
import { Shell } from './shell.js'
import { readTheme, setTheme } from './theme.js'

/** Puts the parts together, and decides which page is shown. */
class Dashboard {
  private readonly api = new Api()
  private readonly notices = new Notices()
  private readonly screen = make('div')
  private readonly feed: Feed
  private readonly shell: Shell
  private loggedIn = false
  private reason: string | undefined
  private leave = new AbortController()
  private tab: Tab = {}

  constructor() {
    this.feed = new Feed(() => this.isRefused())
    this.shell = new Shell(this.feed, () => void this.logOut())
    this.api.onExpired = () => this.expired()
    this.feed.on('back', ({ restarted }) =>
      this.notices.show(
        restarted ? 'The mediator was restarted. This page is connected again.' : 'Connected again.',
        'good',
      ),
    )
    document.body.append(this.screen, this.notices.element)
    document.addEventListener('click', (event) => this.followLink(event))
    addEventListener('popstate', () => void this.show())
    // A link that logs in, pasted where this page is open already: the browser loads nothing then.
    addEventListener('hashchange', () => !this.loggedIn && location.hash.length > 1 && this.showLogin())
  }

  async start(): Promise<void> {
    setTheme(readTheme())
    if (location.pathname === '/login' && location.hash.length > 1) return this.showLogin()
    try {
      await this.enter()
    } catch (error) {
      if (location.pathname !== '/login' && !this.loggedIn) this.goToLogin(undefined)
      else this.showLogin()
      if ((error as { status?: number }).status !== 401) this.notices.show(messageOf(error), 'bad')
    }
  }

  /** @throws ApiError where nobody is logged in, or the mediator is away */
  private async enter(): Promise<void> {
    const { startedAt } = await this.api.get<{ startedAt: number }>('/api/status')
    this.loggedIn = true
    this.reason = undefined
    this.feed.open(startedAt)
    if (location.pathname === '/login') history.replaceState(null, '', nextOf(location.search))
    this.screen.replaceChildren(this.shell.element)
    void this.show(false)
  }

  private expired(): void {
    if (!this.loggedIn) return
    this.goToLogin('Your session is over. Log in, and you are back where you were.')
  }

  /** Asked when no live link could be made: because the session is over, or because nobody answers? */
  private async isRefused(): Promise<boolean> {
    try {
      await this.api.get('/api/status')
      return false
    } catch (error) {
      return (error as { status?: number }).status === 401
    }
  }

  private goToLogin(reason: string | undefined): void {
    const here = location.pathname + location.search
    const next = here === '/' || location.pathname === '/login' ? '' : `?next=${encodeURIComponent(here)}`
    history.replaceState(null, '', `/login${next}`)
    this.reason = reason
    this.showLogin()
  }

  private showLogin(): void {
    this.loggedIn = false
    this.leave.abort()
    this.tab.ownNode?.close()
    this.tab = {}
    this.feed.close()
    document.title = 'Log in, Sealway'
    this.screen.replaceChildren(openLogin({ api: this.api, reason: this.reason, loggedIn: () => this.enter() }))
  }

  private async logOut(): Promise<void> {
    try {
      await this.api.post('/api/logout', {})
      history.replaceState(null, '', '/login')
      this.reason = 'You are logged out.'
      this.showLogin()
    } catch (error) {
      this.notices.show(messageOf(error), 'bad')
    }
  }

  private async show(moveFocus = true): Promise<void> {
    if (!this.loggedIn) return
    const path = location.pathname
    const found = match(path)
    this.leave.abort()
    const leave = new AbortController()
    this.leave = leave
    const context: Context = {
      api: this.api,
      feed: this.feed,
      notices: this.notices,
      go: (to) => this.go(to),
      params: found?.params ?? new Map(),
      query: new URLSearchParams(location.search),
      tab: this.tab,
      left: leave.signal,
    }
    let page: Page
    try {
      page = found ? await found.route.open(context) : nothingHere
    } catch (error) {
      page = { title: 'Not shown', topics: [], element: failed(error) }
    }
    if (leave.signal.aborted) return
    document.title = `${page.title}, Sealway`
    this.shell.open(path, page.element, moveFocus)
    this.feed.watch(page.topics, page.filter)
  }

  private go(path: string): void {
    history.pushState(null, '', path)
    void this.show()
  }

  private followLink(event: MouseEvent): void {
    const link = (event.target as Element).closest?.('a')
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey)
      return
    if (link.origin !== location.origin || link.hasAttribute('download') || link.getAttribute('href')!.startsWith('#'))
      return
    event.preventDefault()
    this.go(link.pathname + link.search)
  }
}

/** Where one was before the log-in; only within this page's own addresses. */
function nextOf(search: string): string {
  const next = new URLSearchParams(search).get('next') ?? '/'
  return /^\/(?![/\\])/.test(next) ? next : '/'
}

const nothingHere: Page = {
  title: 'Nothing here',
  topics: [],
  element: make(
    'div',
    { class: 'page' },
    make(
      'div',
      { class: 'card empty' },
      make('h1', { tabindex: -1 }, 'There is no such page'),
      make('a', { href: '/' }, 'To the topology'),
    ),
  ),
}

const failed = (error: unknown): HTMLElement =>
  make(
    'div',
    { class: 'page' },
    make(
      'div',
      { class: 'card empty' },
      make('h1', { tabindex: -1 }, 'This page could not be shown'),
      make('p', {}, messageOf(error)),
    ),
  )

void new Dashboard().start()
