import { readFileSync } from 'node:fs'
import { parseJson, SealwayError } from '@sealway/protocol'
import type { KeyList, Keyring, KeyringKeys } from './keyring.js'

export interface KeysFileOptions {
  /** JSON: `{ "default": ["mk1_..."], "groups": { "orders": ["mk1_...", "mk1_..."] } }`; the first key of a list seals. */
  readonly path: string
  readonly keyring: Keyring
  readonly onReload?: () => void
  /** The file could not be used; the keys that were there stay. */
  readonly onError: (error: SealwayError) => void
  /** How often to look, ms. Polled, because a watch on a file that is replaced (or a mounted secret) goes blind. */
  readonly pollMs?: number
}

const defaultPollMs = 1_000

/**
 * Keeps a keyring at what its file says. It does not keep the process alive. `reload` is for SIGHUP.
 * It compares what the file holds, not its times: fs.watchFile takes its first look later, and misses what came before.
 */
export function watchKeysFile(options: KeysFileOptions): { reload(): void; close(): void } {
  const { path } = options
  let seen = textOf(path)
  const reload = () => {
    seen = textOf(path)
    try {
      options.keyring.update(readKeysFile(path))
    } catch (error) {
      options.onError(error as SealwayError)
      return
    }
    options.onReload?.()
  }
  const poll = setInterval(() => {
    if (textOf(path) !== seen) reload()
  }, options.pollMs ?? defaultPollMs)
  poll.unref()
  return { reload, close: () => clearInterval(poll) }
}

/** undefined: it cannot be read. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** @throws SealwayError `CONFIG_INVALID`, which never shows what the file holds */
export function readKeysFile(path: string): KeyringKeys {
  let value: unknown
  try {
    value = parseJson(readFileSync(path, 'utf8'))
  } catch (cause) {
    // The cause of bad JSON quotes the file, so only a failure to read is handed on.
    const reason = cause instanceof SealwayError ? 'is not valid JSON' : 'cannot be read'
    throw invalid(path, reason, cause instanceof SealwayError ? undefined : cause)
  }
  if (!isObject(value)) throw invalid(path, 'must hold an object')
  const { default: fallback, groups = {}, ...others } = value
  if (Object.keys(others).length > 0) throw invalid(path, 'may hold "default" and "groups" only')
  if (!isObject(groups) || ![fallback ?? '', ...Object.values(groups)].every(isKeyList)) {
    throw invalid(path, 'must give keys as a text or a list of texts')
  }
  return {
    ...(fallback === undefined ? {} : { default: fallback as KeyList }),
    groups: groups as { [group: string]: KeyList },
  }
}

const isObject = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isKeyList = (value: unknown): value is KeyList =>
  typeof value === 'string' || (Array.isArray(value) && value.every((entry) => typeof entry === 'string'))

const invalid = (path: string, reason: string, cause?: unknown) =>
  new SealwayError('CONFIG_INVALID', { message: `the keys file ${path} ${reason}`, outcome: 'not-delivered', cause })
