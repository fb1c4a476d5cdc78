import type { StreamSource } from '../messaging/streams/source.js'
import type { CallOptions } from '../messaging/verb-options.js'
import { fieldsOf } from './fields.js'

/** Beside the data of one message, in place of what the client was made with. */
export interface RecordOptions extends CallOptions {
  /** Of `send` and `stream`: where it goes, `orders-1`, `any:orders`. */
  readonly to?: string
  /** Of `emit`: the group in which the event happens. */
  readonly in?: string
  /** Of `emit`: `acks` to learn from the report who has handled the event. */
  readonly want?: 'report' | 'acks'
  /** Of `stream`: what the handler reads as `context.input`. */
  readonly input?: StreamSource
}

/** `client.send('quote', new SealwayRecord({ sku: 'A1' }, { to: 'orders-1', timeout: 2_000 }))` */
export class SealwayRecord<Data = unknown> {
  constructor(
    readonly data: Data,
    readonly options: RecordOptions,
  ) {}
}

/** Data and options of what was given to `send`, `emit` or `stream`. */
export const recordOf = (data: unknown): { readonly data: unknown; readonly options: RecordOptions } =>
  data instanceof SealwayRecord
    ? { data: fieldsOf(data.data), options: data.options }
    : { data: fieldsOf(data), options: {} }
