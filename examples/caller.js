import { connect } from '@sealway/client'

const node = await connect({ name: 'caller-1', groups: ['demo'] })

console.log(await node.call('greeter-1', 'greet', { name: 'world' }))
await node.drain()
