import type { Budget } from '../session/outbox.js'
import { clientAddress, type TrustProxy } from './client-address.js'
import { type Directory, type Members, noToken, type Question, type Way } from './directory.js'
import type { Refusal } from './guard.js'
import { Many } from './many.js'
import type { Strangers } from './strangers.js'
import type { Held, Visit } from './visit.js'

export interface DispatcherParts {
  readonly directory: Directory
  readonly strangers: Strangers
  readonly trust: TrustProxy
  /** Of answers that are gathered. */
  readonly budget: () => Budget
}

type Found = Way | Refusal | Promise<Way | Refusal>

/** What is asked of whoever was found. */
export type Go = (visit: Visit, way: Way) => void

const noneTried: ReadonlySet<string> = new Set()

/** Finds who answers a request, and hands it over: to one node, to one of a group and perhaps another one, to all of it. */
export class Dispatcher {
  constructor(private readonly parts: DispatcherParts) {}

  /**
   * @param retries another member may be asked where one fails
   * @param held what closes when all is over: the response, or a socket that may be switched
   */
  dispatch(visit: Visit, question: Question, go: Go, retries: boolean, held: Held): void {
    if (question.target.mode === 'one') {
      const found = this.lookUp(question, noneTried)
      if (this.welcomes(visit, question, found, held)) this.follow(visit, found, go)
      return
    }
    const tried = new Set<string>()
    const next = (found: Found): void =>
      this.follow(visit, found, (one, way) => {
        tried.add(way.destination.name)
        go(one, way)
      })
    const retry: Visit['retry'] = (_visit, failure) => {
      // Nobody else can take it: what went wrong is what the first one said.
      const asBefore = (): void => visit.refused(failure.code, failure.detail)
      const other = (found: Way | Refusal): void => ('code' in found ? asBefore() : next(found))
      const found = this.lookUp(question, tried)
      if (found instanceof Promise) found.then(other, asBefore)
      else other(found)
    }
    if (retries) visit.retry = retry
    const found = this.lookUp(question, tried)
    if (this.welcomes(visit, question, found, held)) next(found)
  }

  /** Asks every member. */
  dispatchToAll(visit: Visit, question: Question): void {
    const found = this.parts.directory.many(question)
    if (!this.welcomes(visit, question, found, visit.response)) return
    const ask = (members: Members | Refusal): void => {
      if (visit.over) return
      if (Array.isArray(members)) new Many(visit, this.parts.budget(), members).start()
      else visit.refused(members.code, members.detail)
    }
    if (found instanceof Promise) found.then(ask, () => visit.refused('STORAGE_UNAVAILABLE', noLookUp))
    else ask(found)
  }

  private lookUp(question: Question, tried: ReadonlySet<string>): Found {
    const { directory } = this.parts
    return question.target.mode === 'one' ? directory.one(question) : directory.any(question, tried)
  }

  /** Whoever shows no token shares what is public with all others, and may ask only so much of it. */
  private welcomes(visit: Visit, { caller }: Question, found: unknown, held: Held): boolean {
    if (caller || found === noToken) return true
    const leave = this.parts.strangers.enter(clientAddress(visit.request, this.parts.trust))
    if (leave) {
      held.on('close', leave)
      return true
    }
    // It may be a promise, and nobody waits for it.
    if (found instanceof Promise) found.catch(() => {})
    visit.refused('TOO_MANY_REQUESTS', 'this address asks too much at once without a token; wait as long as is said')
    return false
  }

  private follow(visit: Visit, found: Found, go: Go): void {
    if (found instanceof Promise) {
      visit.keepBody()
      found.then(
        (later) => this.follow(visit, later, go),
        () => visit.refused('STORAGE_UNAVAILABLE', noLookUp),
      )
      return
    }
    if (visit.over) return
    if ('code' in found) {
      visit.refused(found.code, found.detail)
      return
    }
    visit.node = found.destination.name
    visit.attempts++
    go(visit, found)
  }
}

const noLookUp = 'who is registered cannot be looked up now'
