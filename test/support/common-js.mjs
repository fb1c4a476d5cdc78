// Jest requires what the sources import, and Node 20 cannot require an ES module: what is published as nothing else is
// compiled once, beside the packages.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** @returns {string} the path of a CommonJS copy of a package that is one ES module */
export function commonJsOf(name) {
  const folder = join(root, 'node_modules', name)
  const { version, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const target = join(root, 'node_modules', '.cache', 'sealway', `${name}-${version}.cjs`)
  if (existsSync(target)) return target
  const source = readFileSync(join(folder, exports['.']), 'utf8')
  const { code } = transformSync(source, { jsc: { target: 'es2023' }, module: { type: 'commonjs' } })
  mkdirSync(dirname(target), { recursive: true })
  // Another run may be doing the same.
  const mine = `${target}.${process.pid}`
  writeFileSync(mine, code)
  renameSync(mine, target)
  return target
}
