import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Refusal } from './refusal.js'

/** What npm notes of a package besides where it is from, in its order. */
const noted = [
  ...['license', 'dependencies', 'optionalDependencies', 'bin', 'engines'],
  ...['peerDependencies', 'peerDependenciesMeta'],
]
/** Of a tar archive, bytes: POSIX.1-2017, pax, "ustar Interchange Format". */
const block = 512
const sizeAt = 124
const sizeLength = 12

/**
 * A package-lock.json, where all that a service needs lies in its vendor/; else undefined. Without it npm asks a registry
 * for every optional peer of our packages, and without network it tries each of them for more than a minute.
 * @param manifest the service's package.json
 * @param tarballs paths of what lies in vendor/
 * @throws Refusal where one of them is no package
 */
export async function lockFor(manifest: string, tarballs: readonly string[]): Promise<string | undefined> {
  const { name, version, dependencies, devDependencies, engines } = JSON.parse(manifest) as Manifest
  const wanted = Object.values({ ...dependencies, ...devDependencies })
  if (tarballs.length === 0 || !wanted.every((from) => from.startsWith('file:vendor/'))) return undefined
  const found = await Promise.all(tarballs.map(entryOf))
  const packages = Object.fromEntries([
    ['', { name, version, dependencies: sorted(dependencies), engines }],
    ...found.sort(([a], [b]) => (a < b ? -1 : 1)),
  ])
  return `${JSON.stringify({ name, version, lockfileVersion: 3, requires: true, packages }, null, 2)}\n`
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: { readonly [name: string]: string }
  readonly devDependencies?: { readonly [name: string]: string }
  readonly [field: string]: unknown
}

async function entryOf(path: string): Promise<readonly [string, object]> {
  const bytes = await readFile(path)
  const manifest = manifestIn(bytes)
  if (!manifest) throw new Refusal(`${path} is no package, as \`npm pack\` makes it`)
  const entry: { [field: string]: unknown } = {
    version: manifest.version,
    resolved: `file:vendor/${basename(path)}`,
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
  }
  for (const field of noted) {
    const value = manifest[field]
    if (value !== undefined) entry[field] = field === 'bin' ? withoutDots(value as object) : value
  }
  return [`node_modules/${manifest.name}`, entry]
}

/** package/package.json of a tarball. Undefined where there is none. */
function manifestIn(bytes: Buffer): Manifest | undefined {
  try {
    const archive = gunzipSync(bytes)
    for (let at = 0; at + block <= archive.length; ) {
      const name = archive.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
      const size = Number.parseInt(archive.toString('latin1', at + sizeAt, at + sizeAt + sizeLength), 8) || 0
      const start = at + block
      if (name === 'package/package.json') return JSON.parse(archive.toString('utf8', start, start + size)) as Manifest
      at = start + Math.ceil(size / block) * block
    }
  } catch {
    // Whatever it is, it is no package.
  }
  return undefined
}

const sorted = (all: object = {}): object =>
  Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))

const withoutDots = (bin: object): object =>
  Object.fromEntries(Object.entries(bin).map(([name, path]) => [name, String(path).replace(/^\.\//, '')]))
