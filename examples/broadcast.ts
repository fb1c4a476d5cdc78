// To every member of a group, with a report by name: who has done it, who failed, who did not answer.
import { connect } from '@sealway/client'

const caches = await Promise.all(['cache-1', 'cache-2', 'cache-3'].map((name) => connect({ name, groups: ['cache'] })))
const [first, second, third] = caches
first!.on('flush', () => 'flushed')
second!.on('flush', () => {
  throw new Error('the disk is gone')
})
third!.on('flush', () => new Promise(() => {})) // never done

const admin = await connect({ name: 'admin-1', reaches: ['cache'] })
const report = await admin.broadcast('cache', 'flush', {}, { want: 'acks', timeout: 1_000 })

console.log([...report.targets].sort().join(' ')) // cache-1 cache-2 cache-3
console.log(report.ok.join(' ')) // cache-1
console.log(report.failed.map(({ name, error }) => `${name}: ${error.code}`).join(' ')) // cache-2: EXCEPTION
console.log(report.missing.join(' ')) // cache-3

await Promise.all([...caches, admin].map((node) => node.close()))
