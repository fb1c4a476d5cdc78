// A Nest microservice, and a Nest app that asks it. Neither opens a port.
import 'reflect-metadata'
import { Controller, Inject, Injectable, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices'
import {
  type ExpectedRpcException,
  SealwayClient,
  type SealwayContext,
  SealwayRecord,
  SealwayServer,
} from '@sealway/client/nestjs'
import { catchError, firstValueFrom, interval, lastValueFrom, map, type Observable, of, take, toArray } from 'rxjs'

@Controller()
class OrdersController {
  @MessagePattern('quote') // an action of the node: for every verb, and for nodes that know nothing of Nest
  quote(@Payload() { sku }: { sku: string }, @Ctx() context: SealwayContext): object {
    if (sku === 'none') throw context.fail('OUT_OF_STOCK', { sku })
    return { price: sku.length, for: context.from }
  }

  @MessagePattern('ticks')
  ticks(): Observable<number> {
    return interval(5).pipe(take(3))
  }

  @EventPattern('orders.*', { consumer: 'mail' }) // one of all services with this consumer name
  ordered(@Payload() { id }: { id: number }, @Ctx() { action }: SealwayContext): void {
    console.log(action, id)
  }
}

@Module({ controllers: [OrdersController] })
class OrdersModule {}

@Injectable()
class Shop {
  constructor(@Inject('ORDERS') private readonly orders: SealwayClient) {}

  async run(): Promise<void> {
    console.log(await firstValueFrom(this.orders.send('quote', { sku: 'A123' })))
    const failed = catchError((error: ExpectedRpcException) => of(error.code))
    console.log(await firstValueFrom(this.orders.send('quote', { sku: 'none' }).pipe(failed)))
    const ticks = this.orders.stream<number>('ticks').pipe(
      map((tick) => tick + 1),
      toArray(),
    )
    console.log(await lastValueFrom(ticks))
    const event = new SealwayRecord({ id: 7 }, { want: 'acks' }) // options beside the data
    await firstValueFrom(this.orders.emit('orders.created', event))
  }
}

const orders = {
  provide: 'ORDERS',
  useFactory: () => new SealwayClient({ name: 'shop-1', groups: ['orders'], to: 'any:orders' }),
}

@Module({ providers: [orders, Shop] })
class ShopModule {}

const strategy = new SealwayServer({ name: 'orders-1', groups: ['orders'] })
const service = await NestFactory.createMicroservice(OrdersModule, { strategy, logger: false })
await service.listen()

const app = await NestFactory.createApplicationContext(ShopModule, { logger: false })
await app.get(Shop).run()
// { price: 4, for: 'shop-1' }
// OUT_OF_STOCK
// [ 1, 2, 3 ]
// orders.created 7

await app.get<SealwayClient>('ORDERS').close()
await app.close()
await service.close() // drains its node
