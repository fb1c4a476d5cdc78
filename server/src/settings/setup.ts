import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SealwayError } from '@sealway/protocol'
import { type EnvFile, parseEnvFile } from './env-file.js'
import { settings } from './table.js'
import { envTemplate } from './template.js'

/** Settings of the mediator, with its secrets; of the nodes on this machine, with the payload key; what both start from. */
export const mediatorFile = '.env'
export const nodeFile = '.env.node'
export const templateFile = '.env.local'

/** Only the owner may read what holds secrets. */
const secretMode = 0o600

export interface SetupOptions {
  /** The port that nodes will dial, where the environment says another than `.env`. */
  readonly port?: string | undefined
  readonly random?: (bytes: number) => Buffer
}

export interface SetupResult {
  /** File names that were made; what existed is never touched. */
  readonly created: readonly string[]
  /** The operators' password, where it was made just now: the one time it is shown. */
  readonly adminPassword?: string
}

/**
 * First run: makes `.env` from `.env.local` (or from the settings table, outside a checkout) with fresh secrets,
 * and `.env.node` for the nodes of this machine. The payload key goes into the second only.
 * @throws SealwayError `CONFIG_INVALID` where an existing `.env` has no secret to share with nodes
 */
export async function setup(folder: string, options: SetupOptions = {}): Promise<SetupResult> {
  const random = options.random ?? randomBytes
  const created: string[] = []
  let adminPassword: string | undefined
  const nodes = await readEnvFile(folder, nodeFile)
  let mediator = await readEnvFile(folder, mediatorFile)
  if (!mediator) {
    adminPassword = random(18).toString('base64url')
    // Where only .env was deleted, the nodes' secret is kept: a new one would lock them all out.
    const secret = secretOf(nodes) ?? random(32).toString('base64url')
    const template = (await readEnvFile(folder, templateFile))?.text ?? envTemplate()
    const text = assign(assign(template, settings.jwtSecret.name, secret), settings.adminPassword.name, adminPassword)
    if (await createOnce(join(folder, mediatorFile), text)) created.push(mediatorFile)
    else adminPassword = undefined
    // What is there now counts: another process may have been first.
    mediator = await readEnvFile(folder, mediatorFile)
  }
  if (!nodes && (await createOnce(join(folder, nodeFile), nodeText(mediator, options.port, random))))
    created.push(nodeFile)
  return { created, ...(adminPassword === undefined ? {} : { adminPassword }) }
}

/** Undefined where there is no such file. */
export async function readEnvFile(folder: string, name: string): Promise<EnvFile | undefined> {
  try {
    return { name, text: await readFile(join(folder, name), 'utf8') }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SealwayError('CONFIG_INVALID', {
      message: `${name} cannot be read: ${(error as Error).message}`,
      outcome: 'not-delivered',
      cause: error,
    })
  }
}

/** Whether others than the owner may read it. Windows has no such bits. */
export async function isReadableByOthers(folder: string, name: string): Promise<boolean> {
  try {
    return ((await stat(join(folder, name))).mode & 0o077) !== 0
  } catch {
    return false
  }
}

const secretOf = (file: EnvFile | undefined): string | undefined =>
  (file && parseEnvFile(file).values.get(settings.jwtSecret.name)) || undefined

/** Sets a name in the text of an `.env`: its line, be it commented out or not, or a new one at the end. */
function assign(text: string, name: string, value: string): string {
  const line = new RegExp(`^(?:# ?)?${name}=.*$`, 'm')
  return line.test(text) ? text.replace(line, () => `${name}=${value}`) : `${text.trimEnd()}\n\n${name}=${value}\n`
}

function nodeText(mediator: EnvFile | undefined, given: string | undefined, random: (bytes: number) => Buffer): string {
  const secret = secretOf(mediator)
  if (!mediator || secret === undefined) {
    throw new SealwayError('CONFIG_INVALID', {
      message: `${mediatorFile} has no ${settings.jwtSecret.name}, which ${nodeFile} must share: set it, or delete ${mediatorFile}`,
      outcome: 'not-delivered',
    })
  }
  const port = given || parseEnvFile(mediator).values.get(settings.port.name) || settings.port.fallback
  const key = `mk1_${random(32).toString('base64url')}`
  return `# For the nodes on this machine, made by the first \`sealway start\`. Never for the mediator.
# Copy it to other machines by a way that you trust: who has this file can read and send everything.

# Where the mediator is.
SEALWAY_URL=http://127.0.0.1:${port}

# Signs this node's own tokens. The mediator has it too.
PROTECTED_BASIC_AND_JWT=${secret}

# Seals what nodes say to one another. The mediator never has it.
PROTECTED_AES256=${key}
`
}

/**
 * Writes a whole file or none, and never over another: a temporary file beside it, then a hard link, which fails where
 * the name is taken. @returns false where it was
 */
async function createOnce(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeAndSync(await open(temporary, 'wx', secretMode), text)
    return await linkOnce(temporary, path)
  } catch (cause) {
    throw new SealwayError('CONFIG_INVALID', {
      message: `${basename(path)} cannot be written here (${(cause as NodeJS.ErrnoException).code}): start in a folder of your own`,
      outcome: 'not-delivered',
      cause,
    })
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

async function writeAndSync(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function linkOnce(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') return false
    // Some file systems (exFAT, certain mounts) have no hard links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EOPNOTSUPP') throw error
    const taken = await readEnvFile(join(path, '..'), basename(path))
    if (taken) return false
    await rename(temporary, path)
    return true
  }
}
