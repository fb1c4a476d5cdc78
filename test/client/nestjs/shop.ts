import 'reflect-metadata'
import { Controller, Module } from '@nestjs/common'
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices'
import type { SealwayContext } from '@sealway/client/nestjs'
import { from, map, NEVER, Observable, of, range, throwError } from 'rxjs'

/** What the handlers of a shop have seen, for tests to look at. */
export const seen = {
  events: [] as { readonly pattern: string; readonly action: string; readonly body: unknown; readonly from: string }[],
  unsubscribed: 0,
  aborted: 0,
  release: undefined as (() => void) | undefined,
}

@Controller()
class ShopController {
  @MessagePattern('quote')
  quote(@Payload() { sku }: { sku: string }, @Ctx() context: SealwayContext): object {
    if (sku === 'none') throw context.fail('OUT_OF_STOCK', { sku })
    return {
      sku,
      price: 5,
      for: context.from,
      to: context.to,
      meta: context.meta,
      waits: context.deadline !== undefined,
    }
  }

  @MessagePattern({ cmd: 'sum', by: 'list' })
  sum(@Payload() numbers: number[]): Observable<number> {
    return of(numbers.reduce((a, b) => a + b, 0))
  }

  @MessagePattern('nothing')
  nothing(): void {}

  @MessagePattern('count')
  count(@Payload() n: number): Observable<{ n: number }> {
    return range(1, n).pipe(map((one) => ({ n: one })))
  }

  @MessagePattern('lines')
  async *lines(@Payload() n: number): AsyncGenerator<string> {
    for (let i = 1; i <= n; i++) yield `line ${i}`
    throw new RpcException({ code: 'NO_MORE', data: { n } })
  }

  @MessagePattern('echo')
  async *echo(_: unknown, @Ctx() { input }: SealwayContext): AsyncGenerator<unknown> {
    for await (const item of input) yield item
  }

  @MessagePattern('fail')
  fail(@Payload() how: string): unknown {
    switch (how) {
      case 'text':
        throw new RpcException('no such thing')
      case 'object':
        throw new RpcException({ status: 404, message: 'not here' })
      case 'later':
        return throwError(() => new RpcException({ code: 'LATER' }))
      case 'generated':
        return from([1]).pipe(
          map(() => {
            throw new RpcException({ code: 'MAPPED', data: 1 })
          }),
        )
      default:
        throw new TypeError('a bug, with a secret in it')
    }
  }

  @MessagePattern('never')
  never(_: unknown, @Ctx() { signal }: SealwayContext): Observable<never> {
    signal.addEventListener('abort', () => seen.aborted++)
    return new Observable((observer) => {
      const inner = NEVER.subscribe(observer)
      return () => {
        inner.unsubscribe()
        seen.unsubscribed++
      }
    })
  }

  @MessagePattern('slow')
  slow(): Promise<string> {
    return new Promise((resolve) => {
      seen.release = () => resolve('done')
    })
  }

  @EventPattern('orders.*')
  anyOrder(@Payload() body: unknown, @Ctx() { action, from: sender }: SealwayContext): void {
    seen.events.push({ pattern: 'orders.*', action, body, from: sender })
  }

  @EventPattern('orders.created', { consumer: 'archive' })
  created(@Payload() body: unknown, @Ctx() { action, from: sender }: SealwayContext): Observable<void> {
    return new Observable((observer) => {
      seen.events.push({ pattern: 'orders.created', action, body, from: sender })
      observer.complete()
    })
  }

  @EventPattern('broken')
  broken(): void {
    throw new Error('an event that breaks its handler')
  }
}

@Module({ controllers: [ShopController] })
export class ShopModule {}
