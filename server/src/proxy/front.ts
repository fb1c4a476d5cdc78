import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { handshakeFault, requestedUpgrade, takesUpgrade, upgradeMethod } from '@sealway/protocol'
import type { Log } from '../observe/log.js'
import type { Callers } from './callers.js'
import type { ClientRequest, Whole } from './client.js'
import { answerClientErrors, isAnswering } from './client-errors.js'
import { noToken, type Question } from './directory.js'
import type { Dispatcher, Go } from './dispatcher.js'
import { guard, guardOwn, type Refusal } from './guard.js'
import type { HttpOutcomes } from './outcomes.js'
import { refuse } from './refuse.js'
import { type NoTarget, readHost, readTarget, type Target } from './target.js'
import type { Uploads } from './uploads.js'
import type { Visit } from './visit.js'
import type { Visits } from './visits.js'

export interface FrontParts {
  readonly callers: Callers
  readonly dispatcher: Dispatcher
  readonly visits: Visits
  readonly uploads: Uploads
  readonly outcomes: HttpOutcomes
  /** Nodes are reached as `<node>.<group>.<domain>`; lower case. */
  readonly domain: string | undefined
  readonly log: Log
  readonly draining: () => boolean
}

const forward: Go = (visit, way) => way.upstream.forward(visit, way.destination)

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** A body for REST must be there within this time, ms. */
const restBodyMs = 15_000

/** Takes what is for a node out of what an HTTP server hears, before anybody else sees it. */
export class Front {
  constructor(private readonly parts: FrontParts) {}

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
      const refusal = guardOwn(request)
      if (refusal) {
        this.turnAway(request, response, refusal)
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
      // What was asked before on this connection is not answered yet: a switch would come in between.
      if (isAnswering(socket)) {
        socket.destroy()
        return
      }
      const target = this.targetOf(request)
      if (target) this.upgrade(request, socket, head, target)
      else for (const listener of upgrades) listener.call(server, request, socket, head)
    })
    answerClientErrors(server)
  }

  /** A defect of ours costs one request, and not the process. */
  private safely<T>(response: { destroy(): unknown }, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.parts.log.error({ err: error }, 'a request failed inside the mediator')
      response.destroy()
      return undefined
    }
  }

  /**
   * Takes a request that came whole.
   * @returns false: it is for somebody else, or not one to be taken, and nothing was done: Node's server is to read it
   */
  readonly take = (client: Whole): boolean => this.safely(client.response, () => this.takeWhole(client)) ?? true

  private takeWhole(client: Whole): boolean {
    const { request, response } = client
    const target = this.targetOf(request)
    if (!target || target === 'no-name' || target.mode === 'many' || this.parts.draining()) return false
    const guarded = guard(request)
    if ('code' in guarded) return false
    const { caller, dropAuthorization } = this.parts.callers.of(guarded)
    const visit = this.parts.visits.begin(client, guarded, target, { dropAuthorization, upgrade: false })
    this.parts.dispatcher.dispatch(visit, { target, method: request.method!, caller }, forward, true, response)
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
    const { dispatcher } = this.parts
    if (question.target.mode === 'many') dispatcher.dispatchToAll(visit, question)
    else dispatcher.dispatch(visit, question, forward, true, response)
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
    const visit = this.parts.visits.begin({ request, response }, guarded, target, { dropAuthorization, upgrade })
    return { visit, question: { target, method: request.method!, caller } }
  }

  /** What is not even a visit: the connection is not used again, as nobody knows what else is wrong with it. */
  private turnAway(request: IncomingMessage, response: ServerResponse, { code, detail }: Refusal): void {
    const { outcomes, log, uploads } = this.parts
    outcomes.add(code)
    log.debug({ method: request.method, code, detail }, 'http request refused')
    refuse(response, code, detail, true)
    if (hasBody(request)) uploads.leave(request)
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
    const protocol = request.httpVersion === '1.1' ? requestedUpgrade(request.rawHeaders) : undefined
    if (protocol === undefined && target !== 'no-name' && !hasBody(request)) {
      // HTTP/2, several protocols, or none that has a name: answered as if nobody had asked (RFC 9110 s7.8).
      this.serve(request, response, target)
      return
    }
    if (request.method !== 'GET' || hasBody(request) || target === 'no-name' || target.mode === 'many') {
      const admitted = target === 'no-name' ? noName : noSwitch
      this.turnAway(request, response, this.isCaller(request) ? admitted : noToken)
      return
    }
    const admitted = this.admit(request, response, target, true)
    if (!admitted) return
    const { visit, question } = admitted
    const fault = handshakeFault(protocol!, request.rawHeaders)
    // One socket is given to one node: there is no second try.
    const go: Go = (one, way) => {
      const { name, session } = way.destination
      if (!takesUpgrade(session?.member?.http, protocol!)) {
        one.refused('MALFORMED', `${name} does not switch to ${protocol}: a node declares the protocols that it takes`)
      } else if (fault) one.refused('MALFORMED', fault)
      else way.upstream.upgrade(one, way.destination, socket, head)
    }
    // What is public for plain requests is not public for what comes after a switch.
    this.parts.dispatcher.dispatch(visit, { ...question, method: upgradeMethod }, go, false, socket)
  }

  private isCaller(request: IncomingMessage): boolean {
    const guarded = guard(request)
    return 'code' in guarded || this.parts.callers.of(guarded).caller !== undefined
  }
}

/** How long a client that asked for a switch and was refused may take to read why, ms. */
const goodbyeMs = 2_000

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
