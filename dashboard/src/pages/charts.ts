import uPlot from 'uplot'
import { make, say } from '../element.js'
import type { History } from '../feed.js'
import { bytes, clockTime, count, millis } from '../format.js'
import { empty, head } from '../head.js'
import { type Context, every, type Page, until } from '../page.js'
import { onThemeChange, readColours } from '../theme.js'

interface Chart {
  readonly title: string
  /** Of one step, in the unit that is shown. */
  readonly column: (history: History) => readonly number[]
  readonly show: (value: number) => string
  readonly colour: 'accent' | 'bad' | 'good' | 'slow'
  /** Between two lines of the grid. */
  readonly steps: readonly number[]
}

const tens = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat()
const twos = Array.from({ length: 44 }, (_, power) => 2 ** (power + 8))

/** By the time that really passed: a step of a mediator that was held up is longer than ten seconds. */
const perSecond = (values: readonly number[], { at, stepMs }: History): number[] =>
  values.map((value, step) => (value * 1_000) / Math.max(stepMs, at[step]! - (at[step - 1] ?? at[step]!)))

const charts: readonly Chart[] = [
  {
    title: 'Frames per second',
    column: (history) => perSecond(history.frames, history),
    show: count,
    steps: tens,
    colour: 'accent',
  },
  {
    title: 'Bytes per second',
    column: (history) => perSecond(history.bytes, history),
    show: bytes,
    steps: twos,
    colour: 'accent',
  },
  {
    title: 'Errors per second',
    column: (history) => perSecond(history.errors, history),
    show: count,
    steps: tens,
    colour: 'bad',
  },
  { title: 'Links', column: ({ links }) => links, show: count, steps: tens, colour: 'good' },
  { title: 'Event loop lag, highest', column: ({ lagMaxMs }) => lagMaxMs, show: millis, steps: tens, colour: 'slow' },
  { title: 'Memory', column: ({ rssBytes }) => rssBytes, show: bytes, steps: twos, colour: 'good' },
  { title: 'Queued bytes', column: ({ queuedBytes }) => queuedBytes, show: bytes, steps: twos, colour: 'slow' },
]

const plotHeight = 178
const hourS = 3_600

/** The last hour, kept by the mediator itself. */
export function openCharts({ feed, left }: Context): Page {
  const places = charts.map((chart) => ({
    chart,
    now: make('span', { class: 'now' }),
    plot: make('div', { class: 'plot' }),
  }))
  const grid = make(
    'div',
    { class: 'charts' },
    ...places.map(({ chart, now, plot }) =>
      make(
        'figure',
        { class: 'card chart', role: 'group', 'aria-label': chart.title },
        make('div', { class: 'card-head' }, make('h2', {}, chart.title), now),
        plot,
      ),
    ),
  )
  const none = make(
    'div',
    { class: 'card', hidden: true },
    empty(
      'Nothing to draw yet',
      make('p', {}, 'The mediator has just begun. It keeps a point every ten seconds, and an hour of them.'),
    ),
  )
  let plots: uPlot[] = []
  const draw = (): void => {
    const { history } = feed
    for (const plot of plots) plot.destroy()
    plots = []
    const isEmpty = !history || history.at.length < 2
    none.hidden = !isEmpty || !history
    grid.hidden = isEmpty
    if (isEmpty || left.aborted) return
    const colours = readColours(['accent', 'bad', 'good', 'slow', 'muted', 'line'])
    for (const { chart, now, plot } of places) {
      const values = chart.column(history)
      say(now, chart.show(values.at(-1)!))
      plots.push(
        new uPlot(
          options(chart, colours, plot.clientWidth || 420, history),
          [history.at.map((at) => at / 1_000), [...values]],
          plot,
        ),
      )
    }
  }
  const observer = new ResizeObserver(() => {
    for (const [at, plot] of plots.entries()) {
      plot.setSize({ width: places[at]!.plot.clientWidth, height: plotHeight })
    }
  })
  observer.observe(grid)
  until(left, () => observer.disconnect())
  until(left, onThemeChange(draw))
  until(left, feed.on('history', draw))
  every(10_000, left, () => feed.refresh())
  queueMicrotask(draw)
  return {
    title: 'Charts',
    topics: [],
    element: make(
      'div',
      { class: 'page' },
      head(
        'Charts',
        'The last hour, a point every ten seconds. The mediator keeps them itself; they begin anew with it.',
      ),
      grid,
      none,
    ),
  }
}

function options(
  chart: Chart,
  colours: { readonly [name: string]: string },
  width: number,
  { at }: History,
): uPlot.Options {
  const axis = {
    stroke: colours.muted!,
    grid: { stroke: colours.line!, width: 1 },
    ticks: { show: false },
    font: '11px "Inter Variable", system-ui, sans-serif',
  }
  const colour = colours[chart.colour]!
  const end = at.at(-1)! / 1_000
  return {
    width,
    height: plotHeight,
    legend: { show: false },
    cursor: { y: false, points: { size: 7 } },
    // A mediator that began a minute ago shows that minute, not an empty hour.
    scales: {
      x: { range: [Math.max(end - hourS, at[0]! / 1_000), end] },
      y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, chart.steps[0]! * 4)] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        space: 76,
        values: (_plot, values, _axis, _space, step) => values.map((value) => clock(value, step < 60)),
      },
      {
        ...axis,
        size: 64,
        incrs: [...chart.steps],
        values: (_plot, values) => values.map((value) => chart.show(value)),
      },
    ],
    series: [
      {},
      { stroke: colour, width: 1.75, fill: colour.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.11)'), points: { show: false } },
    ],
  }
}

/** Of a time in seconds: 14:03, or 14:03:20. */
const clock = (at: number, withSeconds: boolean): string => clockTime(at * 1_000).slice(0, withSeconds ? 8 : 5)
