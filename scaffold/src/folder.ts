import { randomBytes } from 'node:crypto'
import { chmod, copyFile, lstat, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Refusal } from './refusal.js'

/** What may lie in a folder that counts as empty. */
const harmless = new Set(['.git', '.DS_Store'])
const namedAtMost = 5
/** Only the owner may read what holds secrets. */
const modeOf = (path: string): number => (path === '.env' ? 0o600 : 0o644)

/**
 * What lies in a folder already; none where it is not there.
 * @throws Refusal where it is no folder, or not empty without `force`
 */
export async function lookAt(folder: string, shown: string, force: boolean): Promise<readonly string[] | undefined> {
  const stats = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Refusal(`${shown} cannot be used: ${whyOf(error)}`)
  })
  if (!stats) return undefined
  if (!stats.isDirectory()) {
    throw new Refusal(
      `${shown} is ${stats.isSymbolicLink() ? 'a symbolic link' : 'a file'}, not a folder: name another`,
    )
  }
  const found = (await readdir(folder)).filter((name) => !harmless.has(name)).sort()
  if (found.length > 0 && !force) {
    const more = found.length > namedAtMost ? ` and ${found.length - namedAtMost} more` : ''
    throw new Refusal(
      `${shown} is not empty (${found.slice(0, namedAtMost).join(', ')}${more}): name another folder, or --force to replace what has the same name`,
    )
  }
  return found
}

export interface Written {
  /** Files that were there and have been replaced; `.env` never is. */
  readonly replaced: readonly string[]
  readonly kept: readonly string[]
}

/**
 * Writes files and copies, each whole or not at all; a folder that it had to make is removed again when that fails.
 * @param copies path in the folder to the file that is copied there
 * @throws Refusal
 */
export async function fill(
  folder: string,
  files: ReadonlyMap<string, string>,
  copies: ReadonlyMap<string, string>,
): Promise<Written> {
  const replaced: string[] = []
  const kept: string[] = []
  const made = await makeFolders(folder).catch((error: NodeJS.ErrnoException) => {
    throw new Refusal(`${folder} cannot be made: ${whyOf(error)}`)
  })
  const put = async (path: string, write: (to: string) => Promise<void>): Promise<void> => {
    await refuseLinks(folder, dirname(path))
    const target = join(folder, path)
    const taken = await lstat(target).catch(() => undefined)
    if (taken?.isDirectory()) throw new Refusal(`${target} is a folder, where a file is to be`)
    // Whoever has other secrets there has them for a reason.
    if (taken && path === '.env') return void kept.push(path)
    await mkdir(dirname(target), { recursive: true })
    // A rename replaces a symbolic link itself, and not what it leads to.
    const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`
    try {
      await write(temporary)
      await rename(temporary, target)
    } finally {
      await rm(temporary, { force: true })
    }
    if (taken) replaced.push(path)
  }
  try {
    for (const [path, text] of files) {
      await put(path, (to) =>
        writeFile(to, text, { flag: 'wx', mode: modeOf(path) }).then(() => chmod(to, modeOf(path))),
      )
    }
    for (const [path, from] of copies) await put(path, (to) => copyFile(from, to))
    return { replaced, kept }
  } catch (error) {
    if (made !== undefined) await removeUpTo(folder, made)
    if (error instanceof Refusal) throw error
    throw new Refusal(`${folder} cannot be written: ${whyOf(error as NodeJS.ErrnoException)}`)
  }
}

/**
 * One by one: where a file system makes no folders and says of it that there is none (/proc), Node's `recursive` tries
 * for ever. @returns the outermost that was made
 */
async function makeFolders(folder: string): Promise<string | undefined> {
  const missing: string[] = []
  for (let at = folder; !(await lstat(at).catch(() => undefined)) && dirname(at) !== at; at = dirname(at)) {
    missing.unshift(at)
  }
  for (const at of missing) await mkdir(at)
  return missing[0]
}

/** The folder, and those around it that were made for it, where nothing else is in them. */
async function removeUpTo(folder: string, first: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  for (let at = dirname(folder); at.length >= first.length; at = dirname(at)) await rmdir(at).catch(() => {})
}

/** A folder inside that is a link would lead out of it. */
async function refuseLinks(folder: string, path: string): Promise<void> {
  if (path === '.') return
  const stats = await lstat(join(folder, path)).catch(() => undefined)
  if (stats && !stats.isDirectory()) throw new Refusal(`${join(folder, path)} is not a folder: move it away first`)
}

const reasons: { readonly [code: string]: string } = {
  EACCES: 'you may not write there',
  EPERM: 'you may not write there',
  EROFS: 'it is on a file system that cannot be written',
  ENOSPC: 'no space is left',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'a part of its path is a file',
  ENAMETOOLONG: 'the path is too long',
}

const whyOf = ({ code = '', message }: NodeJS.ErrnoException): string => reasons[code] ?? message
