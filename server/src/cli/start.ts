import { join } from 'node:path'
import type { Command } from 'commander'
import { configWarnings, effective, parseConfig } from '../config.js'
import type { Log } from '../observe/log.js'
import { createRegistry } from '../registry/create-registry.js'
import { refusePayloadKeys } from '../settings/payload-key.js'
import { isReadableByOthers, mediatorFile, nodeFile, type SetupResult, setup } from '../settings/setup.js'
import { settings } from '../settings/table.js'
import { migrate } from '../store/migrate.js'
import { commandLog, openDatabase } from './database.js'
import { envFileOf, type Io, printJson } from './io.js'

interface Options {
  readonly json?: boolean
}

export function addStart(program: Command, io: Io): void {
  program
    .command('start')
    .description('Run the mediator. The first time, makes .env and .env.node with fresh secrets')
    .option('--json', 'print where it listens as one JSON object')
    .addHelpText(
      'after',
      '\nSIGTERM and SIGINT (Ctrl-C) drain: nodes finish and leave, at most LIMIT_DRAIN. Once more: at once.',
    )
    .action((options: Options) => start(io, options))
}

/** Returns when a signal ended it. @throws SealwayError whatever keeps it from starting */
async function start(io: Io, { json }: Options): Promise<void> {
  const signals = receiveSignals(io)
  try {
    const made = await firstRun(io)
    const file = await envFileOf(io)
    const config = parseConfig(io.environment, file)
    const log = await commandLog(io)
    const warnings = await tell(io, log, file !== undefined)

    const database = await openDatabase(config.databaseUrl, log)
    const registry = await migrate(database).then(
      () => createRegistry(database),
      async (error: unknown) => {
        await database.close()
        throw error
      },
    )
    const { createMediator } = await import('../mediator.js')
    const mediator = await createMediator(config, {
      registry,
      log,
      version: io.version,
      settings: () => effective(io.environment, file),
      warnings: () => warnings,
      ...(io.memory ? { memory: io.memory } : {}),
      ...(io.processors ? { processors: io.processors() } : {}),
      ...(io.processes ? { processes: io.processes } : {}),
      dashboard: join(io.programFolder, 'dashboard'),
    })
    const { url, adminUrl, ipcPath } = await mediator.listen()
    const facts = { url, adminUrl, adminUser: config.adminUser, ipcPath: ipcPath ?? null, storage: database.shown }
    if (json) printJson(io, { ...facts, created: made.created, payloads: 'sealed', version: io.version })
    else io.out(banner(io, { ...facts, loginUrl: `${adminUrl}/login#${mediator.loginCode()}` }, made))

    const stopped = await Promise.race([signals.first, mediator.replaced])
    if (stopped) {
      await mediator.close()
      throw stopped
    }
    if (!json) io.err('\ndraining: nodes finish and leave; once more (Ctrl-C) to stop at once\n')
    await Promise.race([mediator.drain(), signals.second.then(() => mediator.close())])
  } finally {
    signals.stop()
  }
}

/** Makes the files where there is nothing to start with; an environment that brings secrets needs none. */
async function firstRun(io: Io): Promise<SetupResult> {
  // Before anything is written: a mediator that must not start leaves no files.
  refusePayloadKeys([{ where: 'the environment', values: Object.entries(io.environment) }])
  const given = [settings.jwtSecret, settings.adminPassword].some(({ name }) => io.environment[name])
  if (given || (await envFileOf(io))) return { created: [] }
  return setup(io.folder, { port: io.environment.PORT })
}

async function tell(io: Io, log: Log, hasFile: boolean): Promise<readonly string[]> {
  const warnings = configWarnings(io.environment, await envFileOf(io))
  if (hasFile && (await isReadableByOthers(io.folder, mediatorFile))) {
    warnings.push(`${mediatorFile} holds secrets and can be read by others on this machine: chmod 600 ${mediatorFile}`)
  }
  for (const warning of warnings) log.warn({}, warning)
  return warnings
}

interface Facts {
  readonly url: string
  readonly adminUrl: string
  readonly adminUser: string
  readonly loginUrl: string
  readonly ipcPath: string | null
  readonly storage: string
}

function banner(io: Io, facts: Facts, made: SetupResult): string {
  const rows: (readonly [string, string])[] = [
    ['mediator', facts.url],
    ...(facts.ipcPath === null ? [] : [['socket', facts.ipcPath] as const]),
    ['operators', `${facts.adminUrl}   user ${facts.adminUser}, ${passwordHint(made)}`],
    ['look', `${facts.loginUrl}   (logs in once, within 15 minutes)`],
    ['storage', facts.storage],
    ['secrets', secretsHint(made)],
    ['payloads', 'sealed: no key that opens them is here'],
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)} ${value}`)
  return `\nSealway ${io.version} is running. Ctrl-C drains it.\n\n${lines.join('\n')}\n\n`
}

const passwordHint = ({ adminPassword }: SetupResult): string =>
  adminPassword === undefined
    ? `password in ${mediatorFile} or the environment`
    : `password ${adminPassword} (shown once)`

const secretsHint = ({ created }: SetupResult): string =>
  created.length === 0
    ? `${mediatorFile} or the environment; nodes: ${nodeFile}`
    : `made just now: ${mediatorFile} for the mediator, ${nodeFile} with the payload key for its nodes (mode 0600)`

/** Signals are taken from the beginning, so that one that comes while starting is not lost. */
function receiveSignals(io: Io) {
  let count = 0
  let onFirst = (): void => {}
  let onSecond = (): void => {}
  const first = new Promise<void>((resolve) => {
    onFirst = resolve
  })
  const second = new Promise<void>((resolve) => {
    onSecond = resolve
  })
  const stop = io.onSignal(() => {
    count++
    if (count === 1) onFirst()
    else onSecond()
  })
  return { first, second, stop }
}
