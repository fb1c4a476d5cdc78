import { type Api, ApiError, messageOf } from './api.js'
import { make, say } from './element.js'
import { brand } from './shell.js'

export interface LoginParts {
  readonly api: Api
  /** Why it is asked for, if the operator did not come by himself. */
  readonly reason: string | undefined
  readonly loggedIn: () => Promise<void>
}

/** User and password, or nothing at all where the address brings the code of a one-time link. */
export function openLogin({ api, reason, loggedIn }: LoginParts): HTMLElement {
  const failure = make('p', { class: 'failure', role: 'alert', hidden: true })
  const button = make('button', { class: 'button primary' }, 'Log in')
  const fail = (text: string): void => {
    say(failure, text)
    failure.hidden = false
  }
  const enter = async (path: string, body: object): Promise<boolean> => {
    button.disabled = true
    failure.hidden = true
    try {
      await api.post(path, body)
      await loggedIn()
      return true
    } catch (error) {
      fail(loginMessage(error))
      return false
    } finally {
      button.disabled = false
    }
  }
  const user = make('input', {
    name: 'user',
    autocomplete: 'username',
    required: true,
    value: 'admin',
    autocapitalize: 'off',
  })
  const password = make('input', {
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  })
  const form = make(
    'form',
    {
      class: 'form',
      on: {
        submit: async (event: SubmitEvent) => {
          event.preventDefault()
          if (await enter('/api/login', { user: user.value, password: password.value })) return
          password.select()
        },
      },
    },
    make('label', { class: 'field' }, make('span', {}, 'User'), user),
    make('label', { class: 'field' }, make('span', {}, 'Password'), password),
    failure,
    button,
  )
  const card = make(
    'div',
    { class: 'card' },
    make('h1', { tabindex: -1 }, 'Log in'),
    make('p', { class: 'muted', role: 'status' }, reason ?? 'For operators of this mediator.'),
    form,
  )
  const code = /^#([A-Za-z0-9_-]{43})$/.exec(location.hash)?.[1]
  if (code !== undefined) {
    // It is used up now, and has no place in the history.
    history.replaceState(null, '', location.pathname + location.search)
    void enter('/api/login/link', { code })
  }
  queueMicrotask(() => password.focus())
  return make(
    'main',
    { class: 'login' },
    brand(),
    card,
    make(
      'p',
      { class: 'aside' },
      'User and password are in the file .env beside the mediator. ',
      make('code', {}, 'sealway start'),
      ' also prints a link that logs in once.',
    ),
  )
}

function loginMessage(error: unknown): string {
  if (!(error instanceof ApiError)) return messageOf(error)
  if (error.status === 429) return error.message
  return error.status === 401 && !error.message.includes('link') ? 'User or password is wrong.' : error.message
}
