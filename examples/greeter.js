import { connect } from '@sealway/client'

const node = await connect({ name: 'greeter-1', groups: ['demo'] })

node.on('greet', ({ body }, { from }) => `Hello ${body.name}, said to ${from}`)
console.log(`${node.name} is ready`)
