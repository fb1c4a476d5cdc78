import { basename, join, relative, resolve } from 'node:path'
import { type Answers, checkAnswers, nameFrom } from './answers.js'
import { renderFiles } from './files.js'
import { type Flags, parseFlags, usage } from './flags.js'
import { fill, lookAt, type Written } from './folder.js'
import { lockFor } from './lock.js'
import { checkoutOf, findPackages } from './packages.js'
import { Refusal, Stopped } from './refusal.js'
import { findSecrets, type Secrets } from './secrets.js'
import { renderTemplate } from './template.js'
import type { World } from './world.js'

const interrupted = 130

/** Runs one command line. Never throws. @returns the exit code */
export async function create(args: readonly string[], world: World): Promise<number> {
  try {
    const flags = parseFlags(args)
    if (flags.help) world.out(usage)
    else if (flags.version) world.out(`${world.version}\n`)
    else await make(flags, world)
    return 0
  } catch (error) {
    if (error instanceof Stopped) return interrupted
    if (!(error instanceof Refusal)) throw error
    world.err(`create-sealway: ${error.message}\n${error.exitCode === 2 ? '  --help shows how it is used\n' : ''}`)
    return error.exitCode
  }
}

async function make(flags: Flags, world: World): Promise<void> {
  // What would be refused in the end is refused before anything is asked.
  if (flags.folder !== undefined) await lookAt(resolve(world.folder, flags.folder), flags.folder, flags.force)
  const checkout = await checkoutOf(world)
  const secrets = await findSecrets(world, {
    file: flags.secrets,
    fresh: flags.freshSecrets,
    folders: [world.folder, ...(checkout === undefined ? [] : [checkout])],
  })
  const answers = await answersOf(flags, world, secrets)
  const shown = flags.folder ?? answers.name
  const folder = resolve(world.folder, shown)
  await lookAt(folder, shown, flags.force)

  // Packing takes some seconds; whoever sits there is told.
  if (world.ask && checkout !== undefined) world.err('\nPacking the packages of this checkout ...\n')
  const packages = await findPackages(world, { folder: flags.packages, checkout })
  try {
    const files = new Map([
      ...renderFiles(answers, secrets, packages.dependencies),
      ...(await renderTemplate(join(world.home, 'template'), answers)),
    ])
    const lock = await lockFor(files.get('package.json') ?? '{}', packages.tarballs)
    if (lock !== undefined) files.set('package-lock.json', lock)
    const copies = new Map(packages.tarballs.map((path) => [`vendor/${basename(path)}`, path]))
    const written = await fill(folder, files, copies)
    world.out(report(world, folder, answers, secrets, written))
  } finally {
    await packages.dispose()
  }
}

async function answersOf(flags: Flags, world: World, secrets: Secrets): Promise<Answers> {
  const { name, group, url, language, http, port } = flags
  const defaults: Answers = {
    name: nameFrom(flags.folder === undefined ? 'my-service' : basename(resolve(world.folder, flags.folder))),
    group: 'demo',
    url: secrets.url ?? 'http://127.0.0.1:4567',
    language: 'js',
    http: 'none',
    port: 3_000,
  }
  const given: Partial<Answers> = {
    ...(name === undefined ? {} : { name }),
    ...(group === undefined ? {} : { group }),
    ...(url === undefined ? {} : { url }),
    ...(language === undefined ? {} : { language }),
    ...(http === undefined ? {} : { http }),
    ...(port === undefined ? {} : { port: Number(port) }),
  }
  checkAnswers({ ...defaults, ...given })
  if (flags.yes) return { ...defaults, ...given }
  if (!world.ask) throw new Refusal('there is nobody to ask here: --yes takes the defaults', 2)
  return checkAnswers(await world.ask(defaults, given))
}

const clearText =
  '\nIts token would travel in clear: use https://, or set SEALWAY_INSECURE=1 in .env inside a trusted network.\n'

/** Whether a node refuses this address unless it is told that it may be reached in clear. */
function isClear(url: string): boolean {
  const { protocol, hostname } = new URL(url.replace(/^sealway\+/, ''))
  return ['http:', 'ws:'].includes(protocol) && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/** What was made, where its secrets come from (never the secrets), and what to do next. */
function report(world: World, folder: string, answers: Answers, secrets: Secrets, written: Written): string {
  const { name, group, url, port } = answers
  const here = relative(world.folder, folder) || '.'
  const from = secrets.from && (relative(world.folder, secrets.from) || secrets.from)
  const rows = [
    ['node', `${name}, in the group ${group}`],
    ['mediator', url],
    ['secrets', from ? `.env, with those of ${from}` : '.env, made just now'],
    ...(written.kept.length > 0 ? [['kept', `${written.kept.join(', ')}, as it was`]] : []),
    ...(written.replaced.length > 0 ? [['replaced', written.replaced.join(', ')]] : []),
  ]
  const next = [
    ...(here === '.' ? [] : [`cd ${/^[\w./-]+$/.test(here) ? here : `'${here}'`}`]),
    'npm install',
    'npm start',
  ]
  const mediatorToo = from
    ? ''
    : `\nThe mediator needs the same PROTECTED_BASIC_AND_JWT: copy it from ${join(here, '.env')} into its .env.\n`
  return `
Made ${here}

${rows.map(([what, value]) => `  ${what!.padEnd(10)} ${value}`).join('\n')}

Next:

${next.map((command) => `  ${command}`).join('\n')}

and open http://127.0.0.1:${port}. \`npm test\` runs its test.
${mediatorToo}${isClear(url) ? clearText : ''}
`
}
