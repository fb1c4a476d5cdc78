import { shown } from './journal.js'

/*::
import type { Node } from '@sealway/client'
import type { Journal } from './journal.js'

export interface Wish {
  verb?: unknown
  to?: unknown
  action?: unknown
  body?: unknown
}
*/

/** How long answers are waited for, ms. */
const timeout = 5_000

/** Does what a form asks for, writes it down, and says in words what came of it. Never rejects. */
export async function perform(node /*: Node */, journal /*: Journal */, { verb, to, action, body } /*: Wish */) {
  const entry = {
    type: 'sent' /*:: as const */,
    who: String(verb),
    to: String(to),
    what: String(action),
    body: shown(body),
  }
  try {
    const outcome = await attempt(node, String(verb), String(to), String(action), body)
    journal.add({ ...entry, ok: true, outcome })
    return { ok: true, outcome }
  } catch (error) {
    // A stable code, and whether it may be repeated without harm: not-delivered, or unknown.
    const {
      code = 'ERROR',
      outcome: done = 'unknown',
      message,
    } = error /*:: as { code?: string, outcome?: string, message: string } */
    const outcome = `${code} (${done}): ${message}`
    journal.add({ ...entry, ok: false, outcome })
    return { ok: false, outcome }
  }
}

async function attempt(
  node /*: Node */,
  verb /*: string */,
  to /*: string */,
  action /*: string */,
  body /*: unknown */,
) {
  switch (verb) {
    case 'send':
      await node.send(to, action, body, { timeout })
      return 'on its way'
    case 'call':
      return `answer: ${shown(await node.call(to, action, body, { timeout }))}`
    case 'broadcast': {
      const { ok, failed, missing } = await node.broadcast(to, action, body, { want: 'acks', timeout })
      const failures = failed.map(({ name, error }) => `${name} (${error.code})`)
      return `done by ${list(ok)}; failed ${list(failures)}; no answer from ${list(missing)}`
    }
    default:
      throw new Error(`${verb} is none of send, call, broadcast`)
  }
}

function list(names /*: readonly string[] */) {
  return names.length === 0 ? 'none' : [...names].sort().join(', ')
}
