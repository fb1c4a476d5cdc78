import { connect } from '@sealway/client'

const node = await connect({ name: 'caller-1', groups: ['caller'] })

console.log(await node.call('any:greeter', 'greet', { name: 'world' }))
await node.drain()
