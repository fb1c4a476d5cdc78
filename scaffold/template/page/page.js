// Runs in the browser. Whatever came over the wire is set as text, never as markup.
const shownEntries = 200
const part = (id) => document.getElementById(id)
const form = part('form')
let status = { groups: [], reaches: [] }

const news = new EventSource('/events')
news.addEventListener('message', ({ data }) => show(JSON.parse(data)))
// It comes back by itself, and is then told everything again.
news.addEventListener('error', () => showStatus('this service does not answer; trying again', false))

function show({ status: next, peers, entries, entry, sends }) {
  if (sends !== undefined) form.hidden = !sends
  if (entries) part('log').replaceChildren()
  if (next) {
    status = next
    part('name').textContent = document.title = status.name
    part('groups').textContent = `in ${status.groups.join(', ')}`
    const away = `not connected to ${status.mediator}, trying again${status.problem ? ` (${status.problem})` : ''}`
    showStatus(status.connected ? `connected to ${status.mediator}` : away, status.connected)
    if (form.elements.to.value === '') suggest()
  }
  if (peers) showPeers(peers)
  for (const each of entries ?? (entry ? [entry] : [])) part('log').prepend(line(each))
  const log = part('log')
  while (log.children.length > shownEntries) log.lastElementChild.remove()
  part('quiet').hidden = log.children.length > 0
}

function showStatus(text, connected) {
  part('status').textContent = text
  part('status').dataset.state = connected ? 'connected' : 'away'
}

function showPeers(peers) {
  part('alone').hidden = peers.length > 0
  part('peers').replaceChildren(...peers.map(peerLine))
  const groups = [...status.groups, ...status.reaches]
  const targets = [...peers.map(({ name }) => name), ...groups.map((group) => `any:${group}`), ...groups]
  part('targets').replaceChildren(...targets.map((value) => Object.assign(element('option'), { value })))
}

/** What this service was told of another one: where it is, since when, and what it says of itself. */
function peerLine({ name, groups, transport, since, endpoints, meta }) {
  const facts = [
    `in ${groups.join(', ')}`,
    transport && `by ${transport}`,
    since && `since ${new Date(since).toLocaleTimeString()}`,
    ...endpoints.map((one) => `${one.name}: ${one.protocol}://${one.address}:${one.port}`),
    meta && JSON.stringify(meta),
  ]
  const item = element('li', name)
  item.append(element('span', facts.filter(Boolean).join(' · '), 'facts'))
  return item
}

function line({ at, type, who, to, what, body, ok, outcome }) {
  const item = element('li')
  const time = element('time', new Date(at).toLocaleTimeString())
  const words = type === 'arrived' ? ` from ${who} to ${to}: ` : ` ${who} to ${to}, by this page: `
  item.append(
    time,
    words,
    element('strong', what),
    ` ${body}`,
    element('span', outcome, ok ? 'outcome' : 'outcome bad'),
  )
  return item
}

function element(name, text = '', classes = '') {
  const made = document.createElement(name)
  made.textContent = text
  made.className = classes
  return made
}

/** Who is meant, until somebody types another. */
function suggest() {
  const [group = ''] = status.groups
  form.elements.to.value = form.elements.verb.value === 'broadcast' ? group : `any:${group}`
}

form.elements.verb.addEventListener('change', suggest)
form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { verb, to, action, body } = form.elements
  showOutcome('...', true)
  try {
    const text = body.value.trim()
    const wish = {
      verb: verb.value,
      to: to.value.trim(),
      action: action.value.trim(),
      ...(text === '' ? {} : { body: JSON.parse(text) }),
    }
    const response = await fetch('/perform', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(wish),
    })
    const { ok, outcome } = await response.json()
    showOutcome(outcome, ok)
  } catch (error) {
    showOutcome(error instanceof SyntaxError ? `the body is no JSON: ${error.message}` : String(error), false)
  }
})

function showOutcome(text, ok) {
  part('outcome').textContent = text
  part('outcome').className = ok ? '' : 'bad'
}
