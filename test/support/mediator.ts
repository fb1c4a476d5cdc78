import { createSecretKey, randomBytes } from 'node:crypto'
import { type Limits, limits } from '@sealway/protocol'
import { type Config, createMediator, type Mediator } from '../../server/src/mediator.js'
import type { Log } from '../../server/src/observe/log.js'
import { memoryRegistry } from './memory-registry.js'

/** What nodes and mediator of a test share, fresh for each test. */
export interface TestMediator {
  readonly mediator: Mediator
  readonly url: string
  readonly adminUrl: string
  readonly ipcPath: string | undefined
  readonly jwtSecret: string
  readonly adminPassword: string
  readonly config: Config
}

export interface TestMediatorOptions {
  readonly limits?: Partial<Limits>
  readonly ipcPath?: string
  readonly port?: number
  readonly log?: Log
  readonly jwtSecret?: string
  readonly databaseUrl?: string
  readonly config?: Partial<Config>
  readonly resolveName?: (name: string) => Promise<readonly string[]>
  /** Folder of the built dashboard. */
  readonly dashboard?: string
  readonly fastPath?: boolean
  readonly processors?: number
}

export function testConfig(options: TestMediatorOptions, jwtSecret: string, adminPassword: string): Config {
  return {
    host: '127.0.0.1',
    port: options.port ?? 0,
    adminHost: '127.0.0.1',
    adminPort: 0,
    adminRemote: 'refuse',
    ipcPath: options.ipcPath,
    databaseUrl: options.databaseUrl ?? 'sqlite::memory:',
    jwtSecret: createSecretKey(Buffer.from(jwtSecret)),
    tokenAudience: 'sealway',
    tokenMaxLifeMs: 24 * 3_600_000,
    adminUser: 'operator',
    adminPassword: createSecretKey(Buffer.from(adminPassword)),
    logLevel: 'silent',
    logFormat: 'json',
    nodeEvictAfterMs: 24 * 3_600_000,
    namelessEvictAfterMs: 600_000,
    httpDomain: undefined,
    httpTimeoutMs: 30_000,
    httpIdleTimeoutMs: 300_000,
    trustProxy: 'none',
    httpPublicRate: 100,
    httpPublicAtOnce: 64,
    httpDirect: 'off',
    httpDirectAllow: [],
    busyPollUs: 400,
    limits: { ...limits, ...options.limits },
    ...options.config,
  }
}

/** A real mediator on free loopback ports, with its registry in memory. Close it at the end of the test. */
export async function startMediator(options: TestMediatorOptions = {}): Promise<TestMediator> {
  const jwtSecret = options.jwtSecret ?? randomBytes(32).toString('base64url')
  const adminPassword = randomBytes(18).toString('base64url')
  const config = testConfig(options, jwtSecret, adminPassword)
  const mediator = await createMediator(config, {
    ...(options.databaseUrl ? {} : { registry: await memoryRegistry() }),
    ...(options.log ? { log: options.log } : {}),
    ...(options.dashboard ? { dashboard: options.dashboard } : {}),
    ...(options.resolveName ? { resolveName: options.resolveName } : {}),
    ...(options.fastPath === undefined ? {} : { fastPath: options.fastPath }),
    ...(options.processors === undefined ? {} : { processors: options.processors }),
  })
  const { url, adminUrl, ipcPath } = await mediator.listen()
  return { mediator, url, adminUrl, ipcPath, jwtSecret, adminPassword, config }
}
