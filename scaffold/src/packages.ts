import { execFile } from 'node:child_process'
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Refusal } from './refusal.js'
import type { World } from './world.js'

/** Where the new service gets our packages from. */
export interface Packages {
  /** For package.json. */
  readonly dependencies: { readonly [name: string]: string }
  /** Tarballs for its vendor/, absolute; none where they come from the registry. */
  readonly tarballs: readonly string[]
  /** Removes what was packed for this. */
  dispose(): Promise<void>
}

const ours = { '@sealway/protocol': 'protocol', '@sealway/client': 'client-lib' } as const
const names = Object.keys(ours) as (keyof typeof ours)[]

/** The checkout that this program lies in, or undefined: then it was installed. */
export async function checkoutOf(world: World): Promise<string | undefined> {
  const root = dirname(world.home)
  const text = await readFile(join(root, 'package.json'), 'utf8').catch(() => undefined)
  return text !== undefined && JSON.parse(text).name === 'sealway-workspace' ? root : undefined
}

/**
 * From a folder that was named, or packed from the checkout, so that it works before anything is published; else the
 * version of this program in the registry.
 * @throws Refusal where they are not there, not built, or npm cannot pack them
 */
export async function findPackages(
  world: World,
  { folder, checkout }: { readonly folder?: string | undefined; readonly checkout: string | undefined },
): Promise<Packages> {
  if (folder !== undefined) return fromFolder(resolve(world.folder, folder), async () => {})
  if (checkout === undefined) {
    return { dependencies: { '@sealway/client': `^${world.version}` }, tarballs: [], dispose: async () => {} }
  }
  const temporary = await mkdtemp(join(tmpdir(), 'sealway-pack-'))
  const dispose = () => rm(temporary, { recursive: true, force: true })
  try {
    await pack(
      world,
      names.map((name) => join(checkout, ours[name])),
      temporary,
    )
    return await fromFolder(temporary, dispose)
  } catch (error) {
    await dispose()
    throw error
  }
}

async function pack(world: World, folders: readonly string[], to: string): Promise<void> {
  for (const folder of folders) {
    await access(join(folder, 'dist', 'esm', 'index.js')).catch(() => {
      throw new Refusal(`${folder} is not built: run \`make build\` in the checkout first`)
    })
  }
  // npm tells its children how it was called itself; this call is not a part of that one.
  const inherited = Object.entries(world.environment).filter(
    ([name]) => !/^npm_(config|package|lifecycle)_/i.test(name),
  )
  const args = ['pack', ...folders, '--pack-destination', to, '--ignore-scripts', '--silent']
  try {
    // npm is a .cmd file on Windows, which only a shell can start.
    const shell = world.platform === 'win32'
    await promisify(execFile)('npm', args, { cwd: to, env: Object.fromEntries(inherited), shell })
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw new Refusal(`npm could not pack ${folders.join(' and ')}: ${stderr?.trim() || message}`)
  }
}

async function fromFolder(folder: string, dispose: () => Promise<void>): Promise<Packages> {
  const files = await readdir(folder).catch(() => {
    throw new Refusal(`--packages ${folder} is not a folder that can be read`)
  })
  const found = names.map((name) => {
    // `@sealway/client` is packed as sealway-client-1.2.3.tgz.
    const start = `${name.slice(1).replace('/', '-')}-`
    const matching = files.filter((file) => file.startsWith(start) && /^\d.*\.tgz$/.test(file.slice(start.length)))
    if (matching.length !== 1) {
      throw new Refusal(`${folder} must hold one ${start}<version>.tgz, and holds ${matching.length || 'none'}`)
    }
    return [name, matching[0]!] as const
  })
  return {
    dependencies: Object.fromEntries(found.map(([name, file]) => [name, `file:vendor/${file}`])),
    tarballs: found.map(([, file]) => join(folder, file)),
    dispose,
  }
}
