import {
  context,
  isSpanContextValid,
  type Context as OtelContext,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { SealwayError } from '@sealway/protocol'
import type { Command, Context } from '../messaging/delivery.js'
import type { Verb } from '../messaging/diagnostics.js'
import type { Handled } from '../messaging/hooks.js'
import type { Trace } from '../messaging/sending.js'
import type { Plugin } from '../node.js'

export interface OtelOptions {
  /** Where spans go; the one that the program registered unless given. */
  readonly tracerProvider?: TracerProvider
}

/** Somebody waits for an answer: client and server. Else producer and consumer. */
const waits: ReadonlySet<Verb> = new Set<Verb>(['sendAcked', 'call', 'gather', 'stream'])

/**
 * Spans for what a node sends and handles, with W3C Trace Context and Baggage in the sealed meta: the mediator sees
 * none of it. A handler runs in the context of its span, so that what it sends is its child. Names, addresses, sizes and
 * codes become attributes; bodies never do. Without a registered SDK the API does nothing, and so does this.
 */
export function otel({ tracerProvider }: OtelOptions = {}): Plugin {
  const tracer = () => (tracerProvider ?? trace.getTracerProvider()).getTracer('@sealway/client')
  const handling = new WeakMap<Context, Span>()
  return {
    name: 'otel',

    sending({ node, verb, to, action }, next) {
      const span = tracer().startSpan(`${verb} ${action}`, {
        kind: waits.has(verb) ? SpanKind.CLIENT : SpanKind.PRODUCER,
        attributes: {
          'messaging.system': 'sealway',
          'messaging.operation.name': verb,
          'messaging.destination.name': to,
          'messaging.client.id': node,
          'sealway.action': action,
        },
      })
      next(carriedBy(trace.setSpan(context.active(), span))).then(
        () => span.end(),
        (error: unknown) => fail(span, error instanceof SealwayError ? error.code : nameOf(error), error),
      )
    },

    around(command, ctx, next) {
      const parent = parentOf(ctx)
      const span = tracer().startSpan(
        `handle ${command.action}`,
        { kind: ctx.deadline === undefined ? SpanKind.CONSUMER : SpanKind.SERVER, attributes: received(command, ctx) },
        parent,
      )
      handling.set(ctx, span)
      return context.with(trace.setSpan(parent, span), next)
    },

    // Not when the handler returns: a stream goes on after that.
    after(_command, ctx, handled) {
      const span = handling.get(ctx)
      if (!span) return
      handling.delete(ctx)
      end(span, handled)
    },
  }
}

const received = ({ action, key, bodyBytes }: Command, { from, to }: Context) => ({
  'messaging.system': 'sealway',
  'messaging.operation.name': 'handle',
  'messaging.destination.name': to,
  'messaging.message.id': key,
  'messaging.message.body.size': bodyBytes,
  'sealway.action': action,
  'sealway.from': from,
})

function end(span: Span, handled: Handled): void {
  span.setAttribute('sealway.handled', handled.type)
  switch (handled.type) {
    case 'answered':
      span.end()
      return
    case 'failed':
    case 'refused':
    case 'broken':
      fail(span, handled.error.code, handled.error)
      return
    case 'crashed':
      fail(span, nameOf(handled.error), handled.error)
  }
}

function fail(span: Span, type: string, error: unknown): void {
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : type })
  span.end()
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error)

/** By hand, not by the registered propagator: what travels is W3C, whatever this process speaks over HTTP. */
function carriedBy(active: OtelContext): Trace {
  const span = trace.getSpanContext(active)
  if (!span || !isSpanContextValid(span)) return {}
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0')
  const baggage = baggageOf(active)
  return { traceparent: `00-${span.traceId}-${span.spanId}-${flags}`, ...(baggage === '' ? {} : { baggage }) }
}

/** W3C Baggage s3.2.1.1; entries beyond its 8,192 characters are left out. */
function baggageOf(active: OtelContext): string {
  const entries = propagation.getBaggage(active)?.getAllEntries() ?? []
  let text = ''
  for (const [key, { value }] of entries) {
    const entry = `${encodeURIComponent(key)}=${encodeURIComponent(value)}`
    if (text.length + entry.length + 1 <= 8_192) text += text === '' ? entry : `,${entry}`
  }
  return text
}

/** What a handler runs in: the sender's span and baggage, where it sent them. */
function parentOf({ traceparent, baggage }: Context): OtelContext {
  let parent = ROOT_CONTEXT
  const [, traceId, spanId, flags] = traceparent?.split('-') ?? []
  if (traceId && spanId && flags) {
    parent = trace.setSpanContext(parent, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true })
  }
  const entries = (baggage ?? '').split(',').flatMap((entry) => {
    const [key = '', value] = entry.split(';', 1)[0]!.split('=')
    const pair = value === undefined ? undefined : decoded(key.trim(), value.trim())
    return pair && pair[0] !== '' ? [pair] : []
  })
  if (entries.length === 0) return parent
  return propagation.setBaggage(
    parent,
    propagation.createBaggage(Object.fromEntries(entries.map(([key, value]) => [key, { value }]))),
  )
}

function decoded(key: string, value: string): readonly [string, string] | undefined {
  try {
    return [decodeURIComponent(key), decodeURIComponent(value)]
  } catch {
    return undefined
  }
}
