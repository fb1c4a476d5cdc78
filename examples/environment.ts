import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const file = '.env.node'

/**
 * Brings the secrets of this machine's nodes into the environment, from which `connect` takes them.
 * The mediator's first start makes the file, so an example that was started before it waits.
 */
export async function loadSecrets(): Promise<void> {
  for (let told = false; ; told = true) {
    // What is set already stays: a container or a shell may have brought its own.
    if (existsSync(file)) return process.loadEnvFile(file)
    if (process.env.PROTECTED_AES256) return
    if (!told) console.log(`waiting for ${file}, which the first \`make start\` makes here ...`)
    await sleep(500)
  }
}
