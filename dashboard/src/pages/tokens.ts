import { messageOf } from '../api.js'
import { confirm } from '../confirm.js'
import { make, say } from '../element.js'
import { dateTime, span } from '../format.js'
import { empty, field, head } from '../head.js'
import type { Context, Page } from '../page.js'
import { type IssuedToken, readTokens } from '../token-list.js'

interface Minted {
  readonly token: string
  readonly id: string
  readonly name: string
  readonly expiresAt: number
}

const lives = [
  ['900000', '15 minutes'],
  ['3600000', '1 hour'],
  ['28800000', '8 hours'],
  ['86400000', '24 hours'],
] as const

/** Tokens are made, shown once, listed and revoked. */
export async function openTokens(context: Context): Promise<Page> {
  const { api, notices } = context
  const place = make('div', { 'aria-live': 'polite' })
  const shownOnce = make('div', { role: 'status' })
  const refresh = async (): Promise<void> => {
    try {
      place.replaceChildren(
        tokenTable(await readTokens(api, Date.now()), (token) => void revoke(context, token, refresh)),
      )
    } catch (error) {
      place.replaceChildren(make('p', { class: 'failure' }, messageOf(error)))
    }
  }
  await refresh()
  const mint = async (body: object): Promise<boolean> => {
    try {
      shownOnce.replaceChildren(secret(await api.post<Minted>('/api/tokens', body), context))
      await refresh()
      return true
    } catch (error) {
      notices.show(messageOf(error), 'bad')
      return false
    }
  }
  return {
    title: 'Tokens',
    topics: [],
    element: make(
      'div',
      { class: 'page' },
      head('Tokens', 'What lets a node in. Each is bound to one name, lives for a day at most, and can be revoked.'),
      make('section', { class: 'card padded' }, make('h2', {}, 'Make one'), mintForm(mint)),
      shownOnce,
      place,
    ),
  }
}

function mintForm(mint: (body: object) => Promise<boolean>): HTMLElement {
  const name = make('input', {
    required: true,
    placeholder: 'orders-1',
    autocapitalize: 'off',
    spellcheck: 'false',
    maxlength: 64,
  })
  const groups = make('input', { placeholder: 'orders, billing', autocapitalize: 'off', spellcheck: 'false' })
  const scopes = make('input', { placeholder: 'http:* send:billing/*', autocapitalize: 'off', spellcheck: 'false' })
  const life = make('select')
  for (const [value, title] of lives) life.append(make('option', { value }, title))
  const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean)
  return make(
    'form',
    {
      class: 'form',
      on: {
        submit: async (event: SubmitEvent) => {
          event.preventDefault()
          const body = {
            name: name.value.trim(),
            lifeMs: Number(life.value),
            ...(words(groups.value).length > 0 ? { groups: words(groups.value) } : {}),
            ...(words(scopes.value).length > 0 ? { scopes: words(scopes.value) } : {}),
          }
          if (await mint(body)) (event.target as HTMLFormElement).reset()
        },
      },
    },
    make(
      'div',
      { class: 'pair' },
      field('Name of the node', name),
      field('Groups', groups, 'It may register, send and broadcast in them. Empty: in any, and only within its own.'),
      field('Further scopes', scopes, 'send:group/name, broadcast:group, http:name, admin:read'),
      field('Life', life),
    ),
    make('div', { class: 'row' }, make('button', { class: 'button primary' }, 'Make a token')),
  )
}

function secret({ token, id, name, expiresAt }: Minted, { notices }: Context): HTMLElement {
  const copy = make('button', { type: 'button', class: 'button' }, 'Copy')
  copy.addEventListener('click', () =>
    navigator.clipboard.writeText(token).then(
      () => say(copy, 'Copied'),
      () => notices.show('The browser does not let this page copy. Select the text instead.', 'bad'),
    ),
  )
  return make(
    'section',
    { class: 'secret', 'aria-label': 'The new token' },
    make('div', { class: 'row' }, make('b', {}, `The token of ${name}: shown this once`), copy),
    make('code', {}, token),
    make('p', { class: 'muted' }, `Id ${id}, good until ${dateTime(expiresAt)}. The mediator does not keep it.`),
  )
}

function tokenTable(tokens: readonly IssuedToken[], revokeIt: (token: IssuedToken) => void): HTMLElement {
  if (tokens.length === 0) {
    return make(
      'section',
      { class: 'card' },
      empty(
        'No token is out',
        make(
          'p',
          {},
          'Those that operators make are listed here until they end. Nodes that hold the shared secret make their own, which are not listed.',
        ),
      ),
    )
  }
  const head = ['Name', 'Id', 'Scopes', 'Made', 'By', 'Ends', '']
  return make(
    'section',
    { class: 'card' },
    make('h2', {}, 'Out now'),
    make(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Tokens, scrolls' },
      make(
        'table',
        { class: 'plain-table' },
        make(
          'thead',
          {},
          make('tr', {}, ...head.map((title) => (title ? make('th', { scope: 'col' }, title) : make('td', {})))),
        ),
        make(
          'tbody',
          {},
          ...tokens.map((token) =>
            make(
              'tr',
              {},
              make('td', { class: 'strong' }, token.name),
              make('td', { class: 'mono' }, token.id),
              make('td', {}, scopeWords(token.scopes)),
              make('td', { class: 'number' }, dateTime(token.at)),
              make('td', { class: 'number' }, token.by.replace(/^operator:/, '')),
              make(
                'td',
                { class: 'number' },
                token.revoked
                  ? make('span', { class: 'tag bad' }, 'revoked')
                  : `in ${span(token.expiresAt - Date.now())}`,
              ),
              make(
                'td',
                { class: 'right' },
                token.revoked
                  ? null
                  : make(
                      'button',
                      {
                        type: 'button',
                        class: 'button danger',
                        'aria-label': `Revoke the token of ${token.name}`,
                        on: { click: () => revokeIt(token) },
                      },
                      'Revoke',
                    ),
              ),
            ),
          ),
        ),
      ),
    ),
  )
}

const maxShownScopes = 4

function scopeWords(scopes: readonly string[]): string {
  if (scopes.length === 0) return 'registers itself, sends within its groups'
  const more = scopes.length - maxShownScopes
  return scopes.slice(0, maxShownScopes).join(' ') + (more > 0 ? ` and ${more} more` : '')
}

async function revoke({ api, notices }: Context, token: IssuedToken, then: () => Promise<void>): Promise<void> {
  const sure = await confirm({
    title: `Revoke the token of ${token.name}?`,
    text: `It is refused from now on, and links that use it are closed within seconds. Id ${token.id}.`,
    verb: 'Revoke it',
    dangerous: true,
  })
  if (!sure) return
  try {
    await api.delete(`/api/tokens/${encodeURIComponent(token.id)}`)
    notices.show(`The token of ${token.name} was revoked.`, 'good')
    await then()
  } catch (error) {
    notices.show(messageOf(error), 'bad')
  }
}
