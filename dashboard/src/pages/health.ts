import { messageOf } from '../api.js'
import { make, say } from '../element.js'
import type { LiveHealth } from '../feed.js'
import { bytes, count, dateTime, millis, span } from '../format.js'
import { filterInput, head } from '../head.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { Tiles } from '../tiles.js'

interface Setting {
  readonly name: string
  readonly value: string
  readonly origin: string
  readonly meaning: string
}

const overloadWords: { readonly [step: string]: string } = {
  none: 'takes everything',
  'no-new-links': 'takes no new links',
  'shed-broadcasts': 'refuses broadcasts too',
  'close-heaviest': 'closes the longest queues',
}

/** How the mediator is, and with what settings it runs. */
export async function openHealth({ api, feed, left }: Context): Promise<Page> {
  const tiles = new Tiles()
  const draw = onNextFrame(() => {
    if (feed.health) show(tiles, feed.health)
  }, left)
  until(left, feed.on('health', draw))
  draw()
  const warnings = make('div')
  const settings = make('div')
  try {
    const [status, config] = await Promise.all([
      api.get<{ warnings: readonly string[] }>('/api/status'),
      api.get<{ settings: readonly Setting[] }>('/api/config'),
    ])
    warnings.replaceChildren(...status.warnings.map((warning) => make('p', { class: 'banner' }, warning)))
    settings.replaceChildren(settingsTable(config.settings))
  } catch (error) {
    settings.replaceChildren(make('p', { class: 'failure' }, messageOf(error)))
  }
  return {
    title: 'Health',
    topics: [],
    element: make(
      'div',
      { class: 'page' },
      head('Health', 'How this mediator is right now, and what it was told.'),
      warnings,
      tiles.element,
      settings,
    ),
  }
}

function show(tiles: Tiles, health: LiveHealth): void {
  const links = Object.entries(health.links)
  const total = links.reduce((sum, [, here]) => sum + here, 0)
  tiles.set(
    'Database',
    health.database,
    health.database === 'up' ? 'answers' : 'does not answer; live nodes go on',
    health.database === 'up' ? '' : 'bad',
  )
  tiles.set(
    'Links',
    count(total),
    links.map(([transport, here]) => `${count(here)} ${transport}`).join(', ') || 'none yet',
  )
  tiles.set('Memory', bytes(health.rssBytes), `heap ${bytes(health.heapBytes)}`)
  tiles.set(
    'Event loop lag',
    millis(health.lagMaxMs),
    `p50 ${millis(health.lagP50Ms)}, last second`,
    health.lagMaxMs > 200 ? 'warn' : '',
  )
  tiles.set('Overload', health.overload, overloadWords[health.overload] ?? '', health.overload === 'none' ? '' : 'bad')
  const share = health.budgetBytes === 0 ? 0 : Math.round((health.queuedBytes * 100) / health.budgetBytes)
  tiles.set(
    'Queued',
    bytes(health.queuedBytes),
    `${share} % of ${bytes(health.budgetBytes)}`,
    share >= 80 ? 'bad' : share >= 50 ? 'warn' : '',
  )
  tiles.set('Frames', `${count(health.framesPerSecond)}/s`, `${bytes(health.bytesPerSecond)}/s`)
  tiles.set('Errors', `${count(health.errorsPerSecond)}/s`, 'not delivered', health.errorsPerSecond > 0 ? 'warn' : '')
  tiles.set('HTTP by name', `${count(health.httpPerSecond)}/s`)
  tiles.set('Up for', span(health.now - health.startedAt), `since ${dateTime(health.startedAt)}`)
  tiles.set('Version', health.version)
}

function settingsTable(settings: readonly Setting[]): HTMLElement {
  const body = make('tbody')
  const found = make('p', { class: 'only-read', role: 'status' })
  const fill = (wanted: string): void => {
    const text = wanted.toLowerCase()
    const rows = settings.filter(({ name, meaning }) => `${name} ${meaning}`.toLowerCase().includes(text))
    body.replaceChildren(
      ...rows.map(({ name, value, origin, meaning }) =>
        make(
          'tr',
          {},
          make('td', { class: 'mono strong' }, name),
          make('td', { class: 'mono' }, value === '' ? '–' : value),
          make('td', {}, make('span', { class: origin === 'default' ? 'tag' : 'tag good' }, origin)),
          make('td', { class: 'muted' }, meaning),
        ),
      ),
    )
    say(found, `${rows.length} settings`)
  }
  fill('')
  return make(
    'section',
    { class: 'card' },
    make(
      'div',
      { class: 'card-head' },
      make('h2', {}, 'Settings'),
      make('div', { class: 'filters' }, filterInput('Find a setting', fill)),
    ),
    found,
    make(
      'div',
      { class: 'scroll window', tabindex: 0, role: 'region', 'aria-label': 'Settings, scrolls' },
      make(
        'table',
        { class: 'plain-table' },
        make(
          'thead',
          {},
          make(
            'tr',
            {},
            ...['Setting', 'Value', 'From', 'Meaning'].map((title) => make('th', { scope: 'col' }, title)),
          ),
        ),
        body,
      ),
    ),
  )
}
