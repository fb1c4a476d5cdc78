import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../observe/log.js'
import type { Callers } from './callers.js'
import type { Client, ClientRequest, Whole } from './client.js'
import { clientAddress, type TrustProxy } from './client-address.js'
import { answerClientErrors } from './client-errors.js'
import { type Directory, type Members, noToken, type Question, type Way } from './directory.js'
import { type Guarded, guard, type Refusal } from './guard.js'
import { Many } from './many.js'
import type { HttpOutcomes } from './outcomes.js'
import { refuse } from './refuse.js'
import { requestHeaders } from './request-headers.js'
import type { Strangers } from './strangers.js'
import { type NoTarget, readHost, readTarget, type Target } from './target.js'
import type { Tunnels } from './tunnel.js'
import type { Uploads } from './uploads.js'
import { type Held, Visit, type VisitParts } from './visit.js'

export interface FrontParts {
  readonly directory: Directory
  readonly callers: Callers
  readonly tunnels: Tunnels
  readonly uploads: Uploads
  readonly outcomes: HttpOutcomes
  readonly strangers: Strangers
  readonly trust: TrustProxy
  /** Nodes are reached as `<node>.<group>.<domain>`; lower case. */
  readonly domain: string | undefined
  readonly log: Log
  /** ms in fractions, of no known beginning. */
  readonly monotonic: () => number
  readonly draining: () => boolean
}

type Found = Way | Refusal | Promise<Way | Refusal>
type Go = (visit: Visit, way: Way) => void
const forward: Go = (visit, way) => way.upstream.forward(visit, way.destination)

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

const noneTried: ReadonlySet<string> = new Set()

/** A body for REST must be there within this time, ms. */
const restBodyMs = 15_000

/** Takes what is for a node out of what an HTTP server hears, before anybody else sees it. */
export class Front {
  private readonly parts: FrontParts
  private readonly visitParts: VisitParts
  private readonly whenIdle = new Set<() => void>()

  constructor(parts: FrontParts) {
    this.parts = parts
    const { log, outcomes, uploads, monotonic } = parts
    this.visitParts = { log, outcomes, uploads, monotonic, ended: () => this.ended() }
  }

  /** Requests under way. */
  inFlight = 0

  private ended(): void {
    if (--this.inFlight === 0) for (const idle of [...this.whenIdle]) idle()
  }

  /** Resolves when no request is under way, or `stop` fires. */
  idle(stop: AbortSignal): Promise<void> {
    if (this.inFlight === 0 || stop.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        this.whenIdle.delete(done)
        stop.removeEventListener('abort', done)
        resolve()
      }
      this.whenIdle.add(done)
      stop.addEventListener('abort', done)
    })
  }

  /** To be called when everybody else listens to the server: what is not for nodes goes on to them. */
  attach(server: Server): void {
    const others = server.listeners('request') as RequestListener[]
    server.removeAllListeners('request')
    server.on('request', (request, response) => {
      const target = this.targetOf(request)
      if (target) {
        this.safely(response, () => this.serve(request, response, target))
        return
      }
      if (hasBody(request)) this.parts.uploads.limit(request, restBodyMs)
      for (const listener of others) listener(request, response)
    })
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      if (!this.targetOf(request)) response.writeContinue()
      server.emit('request', request, response)
    })
    const upgrades = server.listeners('upgrade') as UpgradeListener[]
    server.removeAllListeners('upgrade')
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const target = this.targetOf(request)
      if (target) this.upgrade(request, socket, head, target)
      else for (const listener of upgrades) listener.call(server, request, socket, head)
    })
    answerClientErrors(server)
  }

  /** A defect of ours costs one request, and not the process. */
  private safely(response: { destroy(): unknown }, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.parts.log.error({ err: error }, 'a request failed inside the mediator')
      response.destroy()
    }
  }

  /**
   * Takes a request that came whole.
   * @returns false: it is for somebody else, or not one to be taken, and nothing was done: Node's server is to read it
   */
  readonly take = (client: Whole): boolean => {
    const { request, response, body } = client
    const target = this.targetOf(request)
    if (!target || target === 'no-name' || target.mode === 'many' || this.parts.draining()) return false
    const guarded = guard(request)
    if ('code' in guarded) return false
    const { caller, dropAuthorization } = this.parts.callers.of(guarded)
    const question = { target, method: request.method!, caller }
    this.safely(response, () => {
      const found = this.lookUp(question, noneTried)
      // Later its memory is another request's.
      const kept = found instanceof Promise ? { request, response, body: Buffer.from(body) } : client
      this.find(this.visit(kept, guarded, target, dropAuthorization, false), question, forward, true, response, found)
    })
    return true
  }

  private targetOf(request: ClientRequest): Target | NoTarget | undefined {
    const { domain } = this.parts
    const url = request.url!
    if (domain !== undefined) {
      const named = readHost(hostOf(request), domain, url)
      if (named) return named
    }
    return readTarget(url)
  }

  private serve(request: IncomingMessage, response: ServerResponse, target: Target | NoTarget): void {
    const admitted = this.admit(request, response, target, false)
    if (!admitted) return
    const { visit, question } = admitted
    // Whoever showed a token may send as slowly as it likes, within the time-outs.
    if (!question.caller && visit.guarded.bodyBytes !== 0) this.parts.uploads.pace(request)
    if (question.target.mode === 'many') this.askMany(visit, question)
    else this.find(visit, question, forward, true, response)
  }

  /** Everything that is checked before anybody is looked for. */
  private admit(
    request: IncomingMessage,
    response: ServerResponse,
    target: Target | NoTarget,
    upgrade: boolean,
  ): { readonly visit: Visit; readonly question: Question } | undefined {
    const guarded = guard(request)
    if ('code' in guarded) {
      this.turnAway(request, response, guarded)
      return undefined
    }
    if (this.parts.draining()) {
      this.turnAway(request, response, { code: 'DRAINING', detail: 'this mediator is shutting down' })
      return undefined
    }
    const { caller, dropAuthorization } = this.parts.callers.of(guarded)
    if (target === 'no-name') {
      this.turnAway(request, response, caller ? noName : noToken)
      return undefined
    }
    const visit = this.visit({ request, response }, guarded, target, dropAuthorization, upgrade)
    return { visit, question: { target, method: request.method!, caller } }
  }

  private visit(client: Client, guarded: Guarded, target: Target, dropAuthorization: boolean, upgrade: boolean): Visit {
    const { request } = client
    const { prefix, group, path } = target
    const visit = new Visit(client, guarded, target, this.visitParts)
    this.inFlight++
    const { trust } = this.parts
    visit.head = {
      method: request.method!,
      target: path,
      headers: requestHeaders({ request, guarded, trust, dropAuthorization, upgrade, prefix, group }),
    }
    return visit
  }

  /** What is not even a visit: the connection is not used again, as nobody knows what else is wrong with it. */
  private turnAway(request: IncomingMessage, response: ServerResponse, { code, detail }: Refusal): void {
    const { outcomes, log, uploads } = this.parts
    outcomes.add(code)
    log.debug({ method: request.method, code, detail }, 'http request refused')
    refuse(response, code, detail, true)
    if (hasBody(request)) uploads.leave(request)
  }

  /**
   * @param held what closes when all is over: the response, or a socket that may be switched
   * @param first who was found for it already
   */
  private find(visit: Visit, question: Question, go: Go, retries: boolean, held: Held, first?: Found): void {
    if (question.target.mode === 'one') {
      const found = first ?? this.lookUp(question, noneTried)
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
    const found = first ?? this.lookUp(question, tried)
    if (this.welcomes(visit, question, found, held)) next(found)
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

  private lookUp(question: Question, tried: ReadonlySet<string>): Found {
    const { directory } = this.parts
    return question.target.mode === 'one' ? directory.one(question) : directory.any(question, tried)
  }

  private follow(visit: Visit, found: Found, go: Go): void {
    if (found instanceof Promise) {
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

  private askMany(visit: Visit, question: Question): void {
    const found = this.parts.directory.many(question)
    if (!this.welcomes(visit, question, found, visit.response)) return
    const ask = (members: Members | Refusal): void => {
      if (visit.over) return
      if (Array.isArray(members)) new Many(visit, this.parts.tunnels.budget, members).start()
      else visit.refused(members.code, members.detail)
    }
    if (found instanceof Promise) found.then(ask, () => visit.refused('STORAGE_UNAVAILABLE', noLookUp))
    else ask(found)
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, target: Target | NoTarget): void {
    socket.on('error', () => socket.destroy())
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket)
    this.safely(response, () => this.switchOver(request, response, socket, head, target))
  }

  private switchOver(
    request: IncomingMessage,
    response: ServerResponse,
    socket: Duplex,
    head: Buffer,
    target: Target | NoTarget,
  ): void {
    // Node has let go of the socket: what is not switched is answered, and ended, here.
    response.on('finish', () => {
      response.detachSocket(socket as Socket)
      socket.end()
      socket.resume()
      setTimeout(() => socket.destroy(), goodbyeMs).unref()
    })
    if (request.method !== 'GET' || hasBody(request) || target === 'no-name' || target.mode === 'many') {
      const admitted = target === 'no-name' ? noName : noSwitch
      this.turnAway(request, response, this.isCaller(request) ? admitted : noToken)
      return
    }
    const admitted = this.admit(request, response, target, true)
    if (!admitted) return
    const { visit, question } = admitted
    // One socket is given to one node: there is no second try.
    this.find(visit, question, (one, way) => way.upstream.upgrade(one, way.destination, socket, head), false, socket)
  }

  private isCaller(request: IncomingMessage): boolean {
    const guarded = guard(request)
    return 'code' in guarded || this.parts.callers.of(guarded).caller !== undefined
  }
}

/** How long a client that asked for a switch and was refused may take to read why, ms. */
const goodbyeMs = 2_000

const noLookUp = 'who is registered cannot be looked up now'
const noName: Refusal = {
  code: 'NOT_FOUND',
  detail: 'write /one/<group>/<node>/<path>, /any/<group>/<path> or /many/<group>/<path>',
}
const noSwitch: Refusal = {
  code: 'MALFORMED',
  detail: 'a switch of protocols is asked of one node, with GET and no body',
}

/** The first Host; that there is but one is checked later. */
function hostOf({ rawHeaders }: ClientRequest): string {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') return rawHeaders[i + 1]!
  }
  return ''
}

function hasBody({ rawHeaders }: ClientRequest): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if ((name === 'content-length' && rawHeaders[i + 1] !== '0') || name === 'transfer-encoding') return true
  }
  return false
}
