import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { Refusal } from './refusal.js'
import type { World } from './world.js'

/** What a node needs to join a mediator. Never printed. */
export interface Secrets {
  /** The file that they were taken from; undefined: made just now. */
  readonly from: string | undefined
  /** Where that mediator is, if the file says so. */
  readonly url: string | undefined
  /** Signs the node's tokens. */
  readonly tokenSecret: string
  /** Seals; `mk1_` and 43 characters. */
  readonly payloadKey: string
}

const secretName = 'PROTECTED_BASIC_AND_JWT'
const keyName = 'PROTECTED_AES256'
const defaultPort = '4567'

/**
 * The secrets of a mediator that runs in one of these folders, or of the file that was named; else fresh ones. A
 * mediator's first start makes `.env.node` for this; where only its `.env` is there, the payload key is a new one.
 * @throws Refusal where the file that was named does not hold what is needed
 */
export async function findSecrets(
  world: World,
  { file, fresh, folders }: { readonly file?: string | undefined; readonly fresh: boolean; readonly folders: string[] },
): Promise<Secrets> {
  if (file !== undefined) {
    const path = resolve(world.folder, file)
    const found = secretsIn(world, path, await read(path))
    if (!found) throw new Refusal(`${file} cannot be read, or holds no ${secretName}`)
    return found
  }
  for (const folder of fresh ? [] : folders) {
    for (const name of ['.env.node', '.env']) {
      const path = join(folder, name)
      const found = secretsIn(world, path, await read(path))
      if (found) return found
    }
  }
  return {
    from: undefined,
    url: undefined,
    tokenSecret: world.random(32).toString('base64url'),
    payloadKey: freshKey(world),
  }
}

function secretsIn(world: World, path: string, text: string | undefined): Secrets | undefined {
  const values = text === undefined ? {} : parseEnv(text.replace(/^\uFEFF/, ''))
  const tokenSecret = values[secretName]
  if (!tokenSecret) return undefined
  const port = values.PORT || defaultPort
  return {
    from: path,
    url: values.SEALWAY_URL || `http://127.0.0.1:${port}`,
    tokenSecret,
    payloadKey: values[keyName] || freshKey(world),
  }
}

const freshKey = (world: World): string => `mk1_${world.random(32).toString('base64url')}`

async function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}

/** One line of an env file. Quotes are for the few values that need them. */
export function assignment(name: string, value: string): string {
  if (/^[\w.:/@+=-]*$/.test(value)) return `${name}=${value}`
  const quote = ["'", '"', '`'].find((one) => !value.includes(one))
  if (quote === undefined || /[\r\n]/.test(value)) throw new Refusal(`${name} cannot be written into an env file`)
  return `${name}=${quote}${value}${quote}`
}
