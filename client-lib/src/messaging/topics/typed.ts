import type { Command, Context } from '../delivery.js'
import type { Handler } from '../middleware.js'
import type { BroadcastReport } from '../report.js'
import type { ReceivedEvent } from './event-reader.js'
import type { SubscribeOptions } from './subscriptions.js'
import type { PublishOptions } from './topics.js'

/** Names in the map that are events. */
export type EventName<Actions> = {
  [Name in keyof Actions & string]: Actions[Name] extends { event: unknown } ? Name : never
}[keyof Actions & string]
export type EventOf<Actions, Name extends keyof Actions> = Actions[Name] extends { event: infer Body } ? Body : never

/** Whether a pattern takes a name: token by token, `*` for any one of them, `>` for the rest. */
type Takes<Pattern extends string, Name extends string> = Pattern extends '>'
  ? true
  : Pattern extends `${infer Token}.${infer Rest}`
    ? Name extends `${infer First}.${infer Others}`
      ? Token extends '*' | First
        ? Takes<Rest, Others>
        : false
      : false
    : Name extends `${string}.${string}`
      ? false
      : Pattern extends '*' | Name
        ? true
        : false

/** Events that a pattern takes; all of them where it is only known when it runs. */
export type EventsOf<Actions, Pattern extends string> = string extends Pattern
  ? EventName<Actions>
  : { [Name in EventName<Actions>]: Takes<Pattern, Name> extends true ? Name : never }[EventName<Actions>]

/** A pattern that takes at least one event of the map. */
export type PatternOf<Actions, Pattern extends string> = [EventsOf<Actions, Pattern>] extends [never] ? never : Pattern

/** What a handler gets: by `action` it is known which event it is, and by that what it carries. */
export type EventCommand<Actions, Name extends EventName<Actions>> = {
  [One in Name]: Command<EventOf<Actions, One>> & { readonly action: One }
}[Name]
/** The same as an async iterable gives it, by `event`. */
export type EventItem<Actions, Name extends EventName<Actions>> = {
  [One in Name]: ReceivedEvent<EventOf<Actions, One>> & { readonly event: One }
}[Name]

type BodyThen<Body> = undefined extends Body
  ? [body?: Body, options?: PublishOptions]
  : [body: Body, options?: PublishOptions]

/** Where the map names no event, any is taken. */
type AnyEvent<Actions> = [EventName<Actions>] extends [never] ? string : never

/** `publish` and `subscribe` of a node whose map names events. */
export interface TypedEvents<Actions> {
  publish<Name extends EventName<Actions>>(
    event: Name,
    ...body: BodyThen<EventOf<Actions, Name>>
  ): Promise<BroadcastReport>
  publish(event: AnyEvent<Actions>, body?: unknown, options?: PublishOptions): Promise<BroadcastReport>
  subscribe<Pattern extends string>(
    pattern: PatternOf<Actions, Pattern>,
    handler: (command: EventCommand<Actions, EventsOf<Actions, Pattern>>, context: Context) => unknown,
    options?: SubscribeOptions,
  ): () => void
  subscribe<Pattern extends string>(
    pattern: PatternOf<Actions, Pattern>,
    options?: SubscribeOptions,
  ): AsyncIterableIterator<EventItem<Actions, EventsOf<Actions, Pattern>>>
  subscribe(pattern: AnyEvent<Actions>, handler: Handler, options?: SubscribeOptions): () => void
  subscribe(pattern: AnyEvent<Actions>, options?: SubscribeOptions): AsyncIterableIterator<ReceivedEvent>
}
