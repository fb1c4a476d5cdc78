import type { Receipt } from './messaging/acked.js'
import type { Command, Context, ExpectedError } from './messaging/delivery.js'
import type { ExpectedFailure } from './messaging/expected.js'
import type { Handler, HandlerOptions, Middleware } from './messaging/middleware.js'
import type { BroadcastReport } from './messaging/report.js'
import type { StreamOptions, StreamReader } from './messaging/streams/reader.js'
import type { StreamSource } from './messaging/streams/source.js'
import type { EventName, TypedEvents } from './messaging/topics/typed.js'
import type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  SendOptions,
} from './messaging/verb-options.js'
import { connect as connectNode, type Node, type Plugin } from './node.js'
import type { ConnectOptions } from './options.js'

/** What one action takes and gives; what is left out is nothing (`undefined`), and `errors` any. */
export interface ActionShape {
  readonly body?: unknown
  readonly reply?: unknown
  /** Of an action that is a stream: each item that its handler gives. */
  readonly items?: unknown
  /** Data of each expected error, by code. */
  readonly errors?: object
  /** Of a name that is an event: what `publish` takes with it, and whoever subscribed gets. */
  readonly event?: unknown
}

/**
 * The actions of a service, for `connect<Actions>()`:
 *
 *     interface Orders {
 *       quote: { body: { sku: string }; reply: { price: number }; errors: { OUT_OF_STOCK: { sku: string } } }
 *       'order.created': { event: { id: string } }
 *     }
 */
export type ActionMap<Actions> = { readonly [Name in keyof Actions]: ActionShape }

export type ActionName<Actions> = Exclude<keyof Actions & string, EventName<Actions>>
export type BodyOf<Actions, Name extends keyof Actions> = Actions[Name] extends { body: infer Body } ? Body : undefined
export type ReplyOf<Actions, Name extends keyof Actions> = Actions[Name] extends { reply: infer Reply }
  ? Reply
  : undefined
export type ItemOf<Actions, Name extends keyof Actions> = Actions[Name] extends { items: infer Item } ? Item : never
/** Actions that are streams. */
export type StreamName<Actions> = {
  [Name in ActionName<Actions>]: Actions[Name] extends { items: unknown } ? Name : never
}[ActionName<Actions>]
export type ErrorsOf<Actions, Name extends keyof Actions> = Actions[Name] extends { errors: infer Errors }
  ? Errors
  : { readonly [code: string]: unknown }

/** Codes of all expected errors in the map. */
export type ErrorCode<Actions> = {
  [Name in keyof Actions]: Actions[Name] extends { errors: infer Errors } ? keyof Errors & string : never
}[keyof Actions]
/** What the error of this code carries. */
export type ErrorData<Actions, Code extends string> = {
  [Name in keyof Actions]: Actions[Name] extends { errors: { [code in Code]: infer Data } } ? Data : never
}[keyof Actions]

/** An argument that may be left out where nothing is expected. */
type Optional<Value> = undefined extends Value ? [value?: Value] : [value: Value]
type BodyThen<Body, Options> = undefined extends Body
  ? [body?: Body, options?: Options]
  : [body: Body, options?: Options]
// biome-ignore lint/suspicious/noConfusingVoidType: it is what a function without a return statement returns
type Answer<Reply> = undefined extends Reply ? Reply | void : Reply

/** The context of a handler that answers with the errors of its action. */
export interface ActionContext<Errors> extends Omit<Context, 'fail'> {
  /** `throw ctx.fail(code, data)`: an expected error, which the caller gets as such. */
  fail<Code extends keyof Errors & string>(code: Code, ...data: Optional<Errors[Code]>): ExpectedError
}

export type ActionHandler<Body, Reply, Errors> = (
  command: Command<Body>,
  context: ActionContext<Errors>,
) => Answer<Reply> | Promise<Answer<Reply>>

type HandlerOf<Actions, Name extends keyof Actions> = ActionHandler<
  BodyOf<Actions, Name>,
  Actions[Name] extends { items: infer Item } ? StreamSource<Item> : ReplyOf<Actions, Name>,
  ErrorsOf<Actions, Name>
>
type First<Actions, Name extends keyof Actions> = Middleware<BodyOf<Actions, Name>> | HandlerOptions

/** `on`, `once` and `replace`. */
interface SetHandler<Actions, This> {
  <Name extends ActionName<Actions>>(action: Name, handler: HandlerOf<Actions, Name>): This
  <Name extends ActionName<Actions>>(action: Name, first: First<Actions, Name>, handler: HandlerOf<Actions, Name>): This
  <Name extends ActionName<Actions>>(
    action: Name,
    first: First<Actions, Name>,
    second: Middleware<BodyOf<Actions, Name>>,
    handler: HandlerOf<Actions, Name>,
  ): This
  <Name extends ActionName<Actions>>(
    action: Name,
    first: First<Actions, Name>,
    second: Middleware<BodyOf<Actions, Name>>,
    third: Middleware<BodyOf<Actions, Name>>,
    handler: HandlerOf<Actions, Name>,
  ): This
  (action: '*', handler: Handler): This
}

/** What a broadcast with `want: 'replies'` brought back, typed. */
export interface ActionReport<Reply> extends Omit<BroadcastReport, 'replies'> {
  readonly replies: ReadonlyMap<string, Reply>
}

type TypedVerb =
  | 'on'
  | 'once'
  | 'replace'
  | 'off'
  | 'use'
  | 'send'
  | 'sendAcked'
  | 'call'
  | 'stream'
  | 'gather'
  | 'broadcast'
  | 'publish'
  | 'subscribe'
  | 'isExpected'
  | 'expectError'

/** A {@link Node} that knows its actions. `node.untyped` is the same node for everything else. */
export interface TypedNode<Actions extends ActionMap<Actions>> extends Omit<Node, TypedVerb>, TypedEvents<Actions> {
  readonly on: SetHandler<Actions, this>
  readonly once: SetHandler<Actions, this>
  readonly replace: SetHandler<Actions, this>
  off(action: ActionName<Actions> | '*', handler?: Handler<never>): boolean
  use(plugin: Plugin): this

  send<Name extends ActionName<Actions>>(
    to: string,
    action: Name,
    ...body: BodyThen<BodyOf<Actions, Name>, SendOptions>
  ): Promise<void>
  sendAcked<Name extends ActionName<Actions>>(
    to: string,
    action: Name,
    ...body: BodyThen<BodyOf<Actions, Name>, AckedOptions>
  ): Promise<Receipt>
  call<Name extends ActionName<Actions>>(
    to: string,
    action: Name,
    ...body: BodyThen<BodyOf<Actions, Name>, CallOptions>
  ): Promise<ReplyOf<Actions, Name>>
  stream<Name extends StreamName<Actions>>(
    to: string,
    action: Name,
    ...body: BodyThen<BodyOf<Actions, Name>, StreamOptions>
  ): StreamReader<ItemOf<Actions, Name>>
  gather<Name extends ActionName<Actions>>(
    group: string,
    action: Name,
    ...body: BodyThen<BodyOf<Actions, Name>, GatherOptions>
  ): Promise<{ from: string; body: ReplyOf<Actions, Name> }[]>
  broadcast<Name extends ActionName<Actions>>(
    group: string,
    action: Name,
    ...body: BodyThen<BodyOf<Actions, Name>, BroadcastOptions>
  ): Promise<ActionReport<ReplyOf<Actions, Name>>>

  isExpected<Code extends ErrorCode<Actions>>(
    error: unknown,
    code: Code,
  ): error is ExpectedFailure<Code, ErrorData<Actions, Code>>
  expectError<Code extends ErrorCode<Actions>>(error: unknown, code: Code): ErrorData<Actions, Code>
}

/**
 * Registers a node with the mediator and resolves when it is ready to send and receive.
 * While the mediator cannot be reached it keeps trying, until `timeout` or `signal`.
 * With a map of actions, `connect<Actions>(...)`, bodies, replies and errors are checked by the compiler.
 * @throws SealwayError `INVALID_ARGUMENT`, `NO_KEY`, `WEAK_SECRET` (options); `NOT_CONNECTED` (never reached);
 * `UNAUTHORIZED`, `FORBIDDEN`, `NAME_IN_USE` and others as the mediator says
 */
export function connect(options: ConnectOptions): Promise<Node>
export function connect(url: string, options: ConnectOptions): Promise<Node>
export function connect<Actions extends ActionMap<Actions>>(options: ConnectOptions): Promise<TypedNode<Actions>>
export function connect<Actions extends ActionMap<Actions>>(
  url: string,
  options: ConnectOptions,
): Promise<TypedNode<Actions>>
export function connect(first: string | ConnectOptions, second?: ConnectOptions): Promise<unknown> {
  return typeof first === 'string' ? connectNode(first, second!) : connectNode(first)
}
