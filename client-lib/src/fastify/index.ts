export type { NodeOptions, SharedNode } from '../held-node.js'
export { type SealwayPluginOptions, sealway, sealway as default } from './plugin.js'
