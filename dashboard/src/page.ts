import type { Api } from './api.js'
import type { Feed, FrameFilter, Topic } from './feed.js'
import type { Notices } from './notices.js'

/** What outlives a page, until the log-out. */
export interface Tab {
  /** The node that this tab is. */
  ownNode?: { close(): void }
}

/** What a page is given. */
export interface Context {
  readonly api: Api
  readonly feed: Feed
  readonly notices: Notices
  /** Shows another page. */
  readonly go: (path: string) => void
  /** Of the address: `name`, `from`, `to`. */
  readonly params: ReadonlyMap<string, string>
  /** What was asked behind the `?` of the address. */
  readonly query: URLSearchParams
  readonly tab: Tab
  /** Fires when the page is left. */
  readonly left: AbortSignal
}

export interface Page {
  readonly title: string
  readonly element: HTMLElement
  /** What it needs to be told. */
  readonly topics: readonly Topic[]
  readonly filter?: FrameFilter
}

export type OpenPage = (context: Context) => Page | Promise<Page>

/** Runs `draw` before the next picture is shown, once, however often it is asked for. */
export function onNextFrame(draw: () => void, left: AbortSignal): () => void {
  let asked = false
  return () => {
    if (asked || left.aborted) return
    asked = true
    requestAnimationFrame(() => {
      asked = false
      if (!left.aborted) draw()
    })
  }
}

/** Ends a subscription when the page is left. */
export function until(left: AbortSignal, stop: () => void): void {
  if (left.aborted) stop()
  else left.addEventListener('abort', stop, { once: true })
}

/** Calls back regularly until the page is left. */
export function every(ms: number, left: AbortSignal, work: () => void): void {
  const timer = setInterval(work, ms)
  until(left, () => clearInterval(timer))
}
