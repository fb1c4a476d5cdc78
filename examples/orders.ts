import type { Node } from '@sealway/client'

/** A service: its handlers, on whatever node it is given. */
export function orders(node: Node): void {
  node.on<{ sku: string }>('order', async ({ body }, ctx) => {
    const { price } = await node.call<{ price: number }>('any:catalog', 'price', body, { timeout: 500 })
    try {
      await node.sendAcked('billing', 'charge', { price }, { timeout: 3_000 })
    } catch {
      throw ctx.fail('NOT_CHARGED', { price })
    }
    return { ordered: body.sku, price }
  })
}
