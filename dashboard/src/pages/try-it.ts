import { connect, type Node, SealwayError } from '@sealway/client/browser'
import { messageOf } from '../api.js'
import { make, say } from '../element.js'
import type { Feed } from '../feed.js'
import { clockTime } from '../format.js'
import { field, head } from '../head.js'
import { type Context, type Page, until } from '../page.js'

/** Lines that are kept in sight. */
const maxLines = 200
/** One token holds 128 scopes, and each group takes two. */
const maxGroups = 50
const ownGroup = 'dashboard'
const callTimeoutMs = 10_000

/** What the page says and hears as a node; it outlives the page, until the log-out. */
export class OwnNode {
  readonly element = make('div', { class: 'page' })
  private readonly list = make('ol', { class: 'log', 'aria-live': 'polite', 'aria-label': 'What was said and heard' })
  private readonly status = make('p', { class: 'muted', role: 'status' }, 'This page is not a node yet.')
  private readonly addresses = make('datalist', { id: 'try-addresses' })
  private readonly connectCard = make('section', { class: 'card padded' })
  private readonly sayCard = make('section', { class: 'card padded', hidden: true })
  private readonly nothing = make('li', { class: 'muted' }, 'What is said and heard stands here.')
  private node: Node | undefined
  /** Connects once more as what this tab is now; it holds the key as the node does. */
  private again: (() => Promise<void>) | undefined
  /** Groups that the token of the link allows to write to, and those that were asked for and come first in the next. */
  private reach: ReadonlySet<string> = new Set()
  private readonly wanted = new Set<string>()
  /** One after the other: two at once would both connect. */
  private reaching: Promise<void> = Promise.resolve()
  private nodes: Feed['nodes'] = new Map()

  constructor(private readonly context: Pick<Context, 'api'>) {
    this.connectCard.append(make('h2', {}, 'Become a node'), this.connectForm())
    this.sayCard.append(make('h2', {}, 'Say something'), this.sayForm())
    this.list.append(this.nothing)
    this.element.append(
      head('Try it', 'This page can be a node: it seals and opens in this tab, with a key that you type here.'),
      make(
        'div',
        { class: 'split' },
        make('div', { class: 'form' }, this.connectCard, this.sayCard),
        make(
          'section',
          { class: 'card' },
          make('div', { class: 'card-head' }, make('h2', {}, 'Log'), this.status),
          this.list,
        ),
      ),
      this.addresses,
    )
  }

  close(): void {
    void this.node?.close()
    this.node = this.again = undefined
  }

  /** Names and groups that can be written to, for the field of the address. */
  know({ nodes }: Feed): void {
    this.nodes = nodes
    const groups = groupsOf(nodes)
    const online = [...nodes.values()].filter(({ state }) => state !== 'offline').map(({ name }) => name)
    const options = [...online.slice(0, 300), ...groups.flatMap((group) => [`any:${group}`, `group:${group}`])]
    if (this.addresses.dataset.known === options.join()) return
    this.addresses.dataset.known = options.join()
    this.addresses.replaceChildren(...options.map((value) => make('option', { value })))
  }

  private connectForm(): HTMLElement {
    const tail = Array.from(crypto.getRandomValues(new Uint8Array(3)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join('')
    const name = make('input', {
      name: 'name',
      required: true,
      value: `page-${tail}`,
      autocapitalize: 'off',
      spellcheck: 'false',
    })
    const group = make('input', {
      name: 'group',
      required: true,
      value: ownGroup,
      autocapitalize: 'off',
      spellcheck: 'false',
    })
    const key = make('input', {
      name: 'key',
      type: 'password',
      required: true,
      placeholder: 'mk1_…',
      autocomplete: 'off',
      spellcheck: 'false',
    })
    const failure = make('p', { class: 'failure', role: 'alert', hidden: true })
    const button = make('button', { class: 'button primary' }, 'Connect')
    const submit = async (event: SubmitEvent): Promise<void> => {
      event.preventDefault()
      failure.hidden = true
      button.disabled = true
      say(button, 'Connecting …')
      try {
        const asked = [name.value.trim(), group.value.trim(), key.value.trim()] as const
        this.again = () => this.connect(...asked)
        await this.again()
      } catch (error) {
        say(failure, wordsOf(error))
        failure.hidden = false
      } finally {
        // Whatever came of it, the key is in no field any more.
        key.value = ''
        button.disabled = false
        say(button, 'Connect')
      }
    }
    return make(
      'form',
      { class: 'form', on: { submit } },
      make('div', { class: 'pair' }, field('Name', name), field('Group', group)),
      field(
        'Payload key',
        key,
        'PROTECTED_AES256 of .env.node. It stays in the memory of this tab and is sent to nobody; but whoever serves this page could have it do otherwise. Type a key only where you trust the mediator’s machine.',
      ),
      failure,
      make('div', { class: 'row' }, button),
    )
  }

  private async connect(name: string, group: string, keys: string): Promise<void> {
    const { api } = this.context
    const node = await connect({
      url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`,
      name,
      // The page looks and sends; a member would be given a share of the group's messages.
      reaches: [group],
      keys,
      timeout: 10_000,
      // Asked anew for each link: what the feed has heard so far may be less than what there is.
      token: async () => {
        const { groups } = await api.get<{ groups: readonly { name: string }[] }>('/api/groups')
        const all = new Set([...[...this.wanted].reverse(), ...groups.map(({ name }) => name)])
        const others = [...all].filter((one) => one !== group).slice(0, maxGroups)
        this.reach = new Set([group, ...others])
        const body = { name, reaches: [group, ...others] }
        return (await api.post<{ token: string }>('/api/tokens', body)).token
      },
    })
    if (!this.again) {
      // Left, or logged out, while it was connecting.
      void node.close()
      return
    }
    this.node = node
    this.connectCard.hidden = true
    this.sayCard.hidden = false
    say(this.status, `Connected as ${node.name}`)
    node.events.on('connected', () => say(this.status, `Connected as ${node.name}`))
    node.events.on('disconnected', () => say(this.status, 'Not connected; it comes back by itself'))
    node.events.on('dropped', ({ to, code }) => this.tell(`A message to ${to} went nowhere: ${code}`, undefined, true))
    node.on('*', ({ action, body }, { from }) => {
      this.tell(`${from} says ${action}`, body)
      return { heardBy: node.name }
    })
  }

  /** A group that came after the link is in no token of it: the link is made anew, with one that has it. */
  private async reachOut(to: string): Promise<void> {
    const named = to.includes(':') ? [to.replace(/^(any|group):/, '')] : (this.nodes.get(to)?.groups ?? [])
    const known = groupsOf(this.nodes)
    const groups = named.filter((group) => known.includes(group))
    if (groups.length === 0 || groups.some((group) => this.reach.has(group))) return
    this.wanted.add(groups[0]!)
    await this.node?.close()
    try {
      await this.again?.()
    } catch (error) {
      this.leave('This page is not a node any more: it could not connect again.')
      throw error
    }
  }

  private leave(words: string): void {
    this.close()
    this.connectCard.hidden = false
    this.sayCard.hidden = true
    say(this.status, words)
  }

  private sayForm(): HTMLElement {
    const to = make('input', {
      name: 'to',
      required: true,
      list: 'try-addresses',
      placeholder: 'a node, any:group or group:group',
      autocapitalize: 'off',
      spellcheck: 'false',
    })
    const action = make('input', {
      name: 'action',
      required: true,
      value: 'hello',
      autocapitalize: 'off',
      spellcheck: 'false',
    })
    const body = make('textarea', { name: 'body', rows: 4, spellcheck: 'false' })
    body.value = '{ "from": "the dashboard" }'
    const verbs = (['call', 'send', 'broadcast'] as const).map((verb, at) =>
      make(
        'label',
        {},
        make('input', { type: 'radio', name: 'verb', value: verb, checked: at === 0 }),
        verb[0]!.toUpperCase() + verb.slice(1),
      ),
    )
    const submit = (event: SubmitEvent): void => {
      event.preventDefault()
      const verb = String(new FormData(event.target as HTMLFormElement).get('verb'))
      void this.perform(verb, to.value.trim(), action.value.trim(), body.value.trim())
    }
    const leave = (): void => this.leave('This page is not a node any more; its key is gone.')
    return make(
      'form',
      { class: 'form', on: { submit } },
      make('div', { class: 'verbs', role: 'radiogroup', 'aria-label': 'What to do' }, ...verbs),
      make('div', { class: 'pair' }, field('To', to), field('Action', action)),
      field('Body, as JSON', body),
      make(
        'div',
        { class: 'row' },
        make('button', { class: 'button primary' }, 'Go'),
        make('button', { type: 'button', class: 'button', on: { click: leave } }, 'Leave'),
      ),
    )
  }

  private async perform(verb: string, to: string, action: string, text: string): Promise<void> {
    if (!this.node) return
    const startedAt = performance.now()
    const took = (): string => `${(performance.now() - startedAt).toFixed(1)} ms`
    try {
      const body: unknown = text === '' ? undefined : JSON.parse(text)
      const address = verb === 'broadcast' && !to.includes(':') ? `group:${to}` : to
      this.reaching = this.reaching.catch(() => {}).then(() => this.reachOut(address))
      await this.reaching
      const { node } = this
      if (!node) return
      if (verb === 'send') {
        await node.send(to, action, body)
        this.tell(`Sent ${action} to ${to}`, body)
      } else if (verb === 'call') {
        const answer = await node.call(to, action, body, { timeout: callTimeoutMs })
        this.tell(`${to} answered ${action} after ${took()}`, answer)
      } else {
        const { targets } = await node.broadcast(to.replace(/^(any|group):/, ''), action, body)
        this.tell(
          `${action} was handed to ${targets.length === 0 ? 'nobody' : targets.join(', ')} after ${took()}`,
          body,
        )
      }
    } catch (error) {
      this.tell(`${verb} ${action} to ${to}: ${wordsOf(error)}`, undefined, true)
    }
  }

  private tell(text: string, body: unknown, bad = false): void {
    this.nothing.remove()
    this.list.prepend(line(clockTime(Date.now()), text, body, bad))
    while (this.list.childElementCount > maxLines) this.list.lastElementChild!.remove()
  }
}

export function openTryIt(context: Context): Page {
  const { feed, left, tab } = context
  const own = tab.ownNode instanceof OwnNode ? tab.ownNode : new OwnNode(context)
  tab.ownNode = own
  until(
    left,
    feed.on('nodes', () => own.know(feed)),
  )
  own.know(feed)
  return { title: 'Try it', topics: ['nodes'], element: own.element }
}

const groupsOf = (nodes: Feed['nodes']): string[] =>
  [...new Set(Array.from(nodes.values(), ({ groups }) => groups).flat())].sort()

function wordsOf(error: unknown): string {
  if (error instanceof SyntaxError) return `the body is not JSON (${error.message})`
  if (!(error instanceof SealwayError)) return messageOf(error)
  return `${error.code}: ${error.message}${error.outcome === 'not-delivered' ? '. It was not delivered: a retry is safe' : ''}`
}

const maxOneLine = 90

function shownBody(body: unknown): string {
  const text = JSON.stringify(body)
  return text.length <= maxOneLine ? text : JSON.stringify(body, null, 2)
}

const line = (time: string, text: string, body: unknown, bad = false): HTMLElement =>
  make(
    'li',
    {},
    make('time', {}, time),
    make('span', { class: bad ? 'bad' : undefined }, text),
    body === undefined ? null : make('span', { class: 'mono' }, shownBody(body)),
  )
