export { type AuthOptions, auth, requires, type User, userOf } from './auth.js'
export { type DebugOptions, debug } from './debug.js'
export { type PingOptions, ping } from './ping.js'
export { type ActionStats, type NodeStats, type StatsOptions, type StatsPlugin, stats } from './stats.js'
