import { toJson } from '../../../client-lib/src/messaging/json.js'
import { fieldsOf } from '../../../client-lib/src/nestjs/fields.js'

class Item {
  #secret = 1
  constructor(
    readonly sku: string,
    readonly at: Date,
  ) {}
  get hidden() {
    return this.#secret
  }
}
class Order {
  readonly items
  constructor(...items: Item[]) {
    this.items = items
  }
}

describe('fieldsOf', () => {
  it('gives instances of classes as their enumerable fields, however deep, and leaves dates as they are', () => {
    const at = new Date(0)
    const fields = fieldsOf({ order: new Order(new Item('A1', at)) })
    expect(JSON.parse(toJson(fields, 'body'))).toEqual({ order: { items: [{ sku: 'A1', at: at.toISOString() }] } })
  })

  it('leaves to the node what has no fields: maps, bytes, iterables, holes', () => {
    for (const value of [new Map(), Buffer.from('x'), new Set(), 'text', undefined, 1n]) {
      expect(fieldsOf(value)).toBe(value)
    }
    expect(() => toJson(fieldsOf([new Map()]), 'body')).toThrow('body[0] cannot be encoded: a Map')
    expect(() => toJson(fieldsOf(new Array(2)), 'body')).toThrow('body[0] cannot be encoded: a hole')
  })

  it('ends where entities refer to each other, which the node then refuses as a circle', () => {
    const order: { items: object[] } = Object.assign(new Order(), { items: [] as object[] })
    for (let i = 0; i < 30; i++)
      order.items.push(Object.assign(new Order(), { order, first: order.items[0], last: order.items.at(-1) }))
    expect(() => toJson(fieldsOf(order), 'body')).toThrow('it is in a circle')
  })
})
