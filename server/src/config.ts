import { type Code, type Limits, limits, SealwayError } from '@sealway/protocol'
import { type EnvFile, type ParsedEnvFile, parseEnvFile } from './settings/env-file.js'
import { refusePayloadKeys } from './settings/payload-key.js'
import { Problem, type Setting } from './settings/setting.js'
import { allSettings, type Config, limitSettings, settings } from './settings/table.js'
import { unknownNames } from './settings/unknown.js'
import { parseLocation } from './store/location.js'

export type { EnvFile } from './settings/env-file.js'
export type { Config } from './settings/table.js'

/** Environment variables, by name. */
export type Environment = { readonly [name: string]: string | undefined }

/**
 * The one parser of settings: the environment first, then the file, then the default. An empty value counts as not set.
 * Everything that is wrong is said at once.
 * @throws SealwayError `KEY_IN_MEDIATOR`; `WEAK_SECRET` where weak secrets are all that is wrong; `CONFIG_INVALID`
 */
export function parseConfig(environment: Environment, file?: EnvFile): Config {
  const source = open(environment, file)
  refusePayloadKeys([
    { where: 'the environment', values: Object.entries(environment) },
    ...(file ? [{ where: file.name, values: source.file.values }] : []),
  ])
  const { config, problems } = read(source)
  if (problems.length > 0) throw invalid(problems)
  return config
}

/** What is odd, but no reason not to start. One sentence each. */
export function configWarnings(environment: Environment, file?: EnvFile): string[] {
  const source = open(environment, file)
  const names = allSettings.map((setting) => setting.name)
  const warnings = [
    ...source.file.warnings,
    ...unknownNames(source.file.values.keys(), names, true).map((text) => `${file?.name}: ${text}`),
    ...unknownNames(Object.keys(environment), names, false).map((text) => `environment: ${text}`),
  ]
  const { config } = read(source)
  if (config.host !== undefined && !isLoopback(config.host)) {
    warnings.push(`HOST ${config.host} is reachable from outside, where tokens travel in clear: put TLS in front`)
  }
  warnings.push('shared mode: every holder of PROTECTED_BASIC_AND_JWT can be any node')
  return warnings
}

export interface EffectiveSetting {
  readonly name: string
  /** As text; secrets are `***`, passwords in URLs are left out. Empty: not set. */
  readonly value: string
  readonly origin: 'default' | '.env' | 'environment'
  readonly unit: string
  readonly meaning: string
  /** Present where the value is wrong. */
  readonly problem?: string
}

/** Every setting with its value and where that came from. Wrong values are shown as such, not thrown. */
export function effective(environment: Environment, file?: EnvFile): EffectiveSetting[] {
  const source = open(environment, file)
  return allSettings.map((setting) => {
    const { text, origin } = pick(setting, source)
    const value = setting.read(text)
    return {
      name: setting.name,
      value: shown(setting, text, value),
      origin,
      unit: setting.unit,
      meaning: setting.meaning,
      ...(value instanceof Problem ? { problem: value.text } : {}),
    }
  })
}

/** One setting alone, for commands that need no more. @throws SealwayError `CONFIG_INVALID` or `WEAK_SECRET` */
export function readSetting<T>(setting: Setting<T>, environment: Environment, file?: EnvFile): T {
  const source = open(environment, file)
  const { text, where } = pick(setting, source)
  const value = setting.read(text)
  if (value instanceof Problem) throw invalid([sentence(setting, text, where, value)])
  return value
}

/** Whether a host is this machine only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)

interface Source {
  readonly environment: Environment
  readonly file: ParsedEnvFile
  readonly fileName: string
}

interface Found {
  readonly code: Code
  readonly text: string
}

const open = (environment: Environment, file: EnvFile | undefined): Source => ({
  environment,
  file: file ? parseEnvFile(file) : { values: new Map(), problems: [], warnings: [] },
  fileName: file?.name ?? '.env',
})

function pick(setting: Setting<unknown>, source: Source) {
  const set = Object.hasOwn(source.environment, setting.name) ? source.environment[setting.name] : undefined
  if (set) return { text: set, origin: 'environment', where: 'the environment' } as const
  const filed = source.file.values.get(setting.name)
  if (filed) return { text: filed, origin: '.env', where: source.fileName } as const
  const development = source.environment.NODE_ENV === 'development'
  const fallback = (development ? setting.inDevelopment : undefined) ?? setting.fallback
  return { text: fallback, origin: 'default', where: 'the defaults' } as const
}

function read(source: Source): { readonly config: Config; readonly problems: readonly Found[] } {
  const problems: Found[] = source.file.problems.map((text) => ({ code: 'CONFIG_INVALID', text }))
  const take = (setting: Setting<unknown>): unknown => {
    const { text, where } = pick(setting, source)
    const value = setting.read(text)
    if (!(value instanceof Problem)) return value
    problems.push(sentence(setting, text, where, value))
    return undefined
  }
  const values: { [field: string]: unknown } = {}
  for (const [field, setting] of Object.entries(settings)) values[field] = take(setting)
  const set: Record<keyof Limits, number> = { ...limits }
  for (const [limit, setting] of limitSettings) set[limit] = (take(setting) as number | undefined) ?? limits[limit]
  const config = Object.freeze({ ...values, limits: Object.freeze(set) }) as Config
  // Relations between settings are only worth a word when each for itself is right.
  if (problems.length === 0) problems.push(...contradictions(config))
  return { config, problems }
}

/** Settings that are right alone, and wrong together. */
function contradictions(config: Config): Found[] {
  const { limits: l } = config
  const checks: readonly (readonly [boolean, string])[] = [
    [
      config.port !== 0 && config.port === config.adminPort,
      `PORT and ADMIN_PORT are both ${config.port}: they must differ, so that no proxied page shares the operators' origin`,
    ],
    [
      config.adminRemote === 'refuse' && !isLoopback(config.adminHost),
      `ADMIN_HOST ${config.adminHost} is more than this machine; keep it on 127.0.0.1, or set ADMIN_REMOTE=allow behind TLS`,
    ],
    [
      config.jwtSecret.equals(config.adminPassword),
      'PROTECTED_BASIC_AND_JWT and PROTECTED_ADMIN_PASSWORD are the same: nodes hold the one and must not have the other',
    ],
    [
      (config.httpDirect === 'list') !== config.httpDirectAllow.length > 0,
      'HTTP_DIRECT=list and HTTP_DIRECT_ALLOW need each other',
    ],
    [l.pingEveryMs * 2 > l.deadAfterMs, 'LIMIT_DEAD must be at least twice LIMIT_PING, or quiet links die'],
    [l.outboxBytes < l.maxFrameBytes, 'LIMIT_OUTBOX must hold at least one frame of LIMIT_FRAME'],
    [l.routeWindowBytes < l.maxFrameBytes, 'LIMIT_WINDOW must hold at least one frame of LIMIT_FRAME'],
    [l.routeWindowBytes > l.outboxBytes, 'LIMIT_WINDOW must not be over LIMIT_OUTBOX'],
    [l.routeWindowFrames > l.outboxFrames, 'LIMIT_WINDOW_FRAMES must not be over LIMIT_OUTBOX_FRAMES'],
    [l.budgetBytes < l.outboxBytes, 'LIMIT_BUDGET must not be under LIMIT_OUTBOX'],
  ]
  return checks.filter(([wrong]) => wrong).map(([, text]) => ({ code: 'CONFIG_INVALID', text }))
}

function sentence(setting: Setting<unknown>, text: string, where: string, problem: Problem): Found {
  // A URL may hold a password, so it is shown no more than a secret.
  const value = setting.secret || setting === settings.databaseUrl || text === '' ? '' : ` ${cut(text)}`
  const origin = text === '' ? '' : ` (in ${where})`
  return { code: problem.code, text: `${setting.name}${value}${origin} ${problem.text}` }
}

function shown(setting: Setting<unknown>, text: string, value: unknown): string {
  if (text === '') return ''
  if (setting.secret) return '***'
  if (setting !== settings.databaseUrl) return text
  return value instanceof Problem ? '***' : withoutPassword(text)
}

function withoutPassword(databaseUrl: string): string {
  if (parseLocation(databaseUrl).type === 'sqlite') return databaseUrl
  const url = new URL(databaseUrl)
  if (url.password !== '') url.password = '***'
  return url.href
}

const cut = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)

function invalid(problems: readonly Found[]): SealwayError {
  const code: Code = problems.every((problem) => problem.code === 'WEAK_SECRET') ? 'WEAK_SECRET' : 'CONFIG_INVALID'
  const lines = problems.map((problem) => problem.text)
  const message =
    lines.length === 1
      ? lines[0]!
      : `${lines.length} settings are wrong:\n${lines.map((line) => `  - ${line}`).join('\n')}`
  return new SealwayError(code, { message, outcome: 'not-delivered' })
}
