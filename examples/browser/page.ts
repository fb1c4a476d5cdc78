import { connect, type Node, SealwayError } from '@sealway/client/browser'

const form = (id: string) => document.getElementById(id) as HTMLFormElement
const field = (form: HTMLFormElement, name: string) => String(new FormData(form).get(name))

/** Text, never markup: what others send is shown as it is. */
function log(line: string): void {
  const item = document.createElement('li')
  item.textContent = line
  document.getElementById('log')!.append(item)
}

const say = (state: string) => {
  document.getElementById('state')!.textContent = state
}

const failed = (error: unknown) =>
  log(error instanceof SealwayError ? `${error.code} (${error.outcome}): ${error.message}` : String(error))

form('connect').addEventListener('submit', async (event) => {
  event.preventDefault()
  const given = form('connect')
  say('Connecting ...')
  try {
    const node = await connect({
      url: field(given, 'url'),
      name: field(given, 'name'),
      groups: [field(given, 'group')],
      token: field(given, 'token'),
      // From here on the key is in this tab's memory only, where no script can read it out again.
      keys: field(given, 'keys'),
    })
    given.reset()
    use(node)
  } catch (error) {
    say('Not connected.')
    failed(error)
  }
})

function use(node: Node): void {
  const connected = () => say(`Connected as ${node.name}.`)
  connected()
  form('connect').hidden = true
  form('say').hidden = false
  node.events.on('connected', connected)
  node.events.on('disconnected', ({ error, retryInMs }) =>
    say(`Not connected: ${error.message}${retryInMs === undefined ? '' : '; it comes back by itself'}.`),
  )
  node.events.on('dropped', ({ to, code }) => log(`${code}: a message to ${to} went nowhere`))

  // What arrives here. An answer is what the handler returns.
  node.on('*', ({ action, body }, { from }) => {
    log(`${from} says ${action} ${JSON.stringify(body)}`)
    return `${node.name} has seen it`
  })

  form('say').addEventListener('submit', async (event) => {
    event.preventDefault()
    const given = form('say')
    const verb = (event.submitter as HTMLButtonElement).value
    const [to, action, text] = ['to', 'action', 'body'].map((name) => field(given, name)) as [string, string, string]
    try {
      const body: unknown = text === '' ? undefined : JSON.parse(text)
      if (verb === 'call') log(`${to} answered ${JSON.stringify(await node.call(to, action, body))}`)
      if (verb === 'send') await node.send(to, action, body)
      if (verb === 'broadcast') {
        const { targets } = await node.broadcast(node.groups[0]!, action, body)
        log(`it was handed to ${targets.length === 0 ? 'nobody' : targets.join(', ')}`)
      }
    } catch (error) {
      failed(error)
    }
  })
}
