/** For the servers that are Node scripts of this folder: tells the bench where it listens, and ends when told. */

/** @param {Record<string, unknown>} endpoint */
export function listening(endpoint) {
  process.send?.({ listening: endpoint })
  // An orderly exit, so that --cpu-prof writes its file.
  process.on('SIGTERM', () => process.exit(0))
  process.on('disconnect', () => process.exit(0))
  process.on('SIGINT', () => {})
}
