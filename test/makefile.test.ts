import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot, runProgram, startProgram } from './support/program'

const make = (args: readonly string[], env: { [name: string]: string } = {}) =>
  // What this run of make (make test) hands down must not reach the one under test.
  runProgram('make', args, { env: { MAKEFLAGS: '', MAKELEVEL: '', MFLAGS: '', ...env } })

const makefile = readFileSync(join(repositoryRoot, 'Makefile'), 'utf8')
const targets = [...makefile.matchAll(/^([a-z-]+):.*## (.+)$/gm)].map(([, name]) => name!)
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-make-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A `node` that says it is another version. */
function pretendVersion(version: string): string {
  writeFileSync(
    join(folder, 'pretend.cjs'),
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
  )
  writeFileSync(join(folder, 'node'), `#!/bin/sh\nexec '${process.execPath}' -r '${folder}/pretend.cjs' "$@"\n`)
  chmodSync(join(folder, 'node'), 0o755)
  return `${folder}:${process.env.PATH}`
}

describe('the Makefile', () => {
  it('has every target that a newcomer is promised', () => {
    const promised =
      'start client sender fixtures migrate doc doc-stop test test-fast test-full check bench bench-quick clean help'
    expect(targets).toEqual(expect.arrayContaining(promised.split(' ')))
  })

  it('explains each of them in its help, which is what a bare make says', () => {
    const { status, output } = make(['help'])
    expect(status).toBe(0)
    for (const target of targets) expect(output).toMatch(new RegExp(`make ${target} +\\S`))
    expect(make([]).output).toBe(output)
  })

  it.each(targets.filter((target) => !target.startsWith('doc')))('knows how to make %s', (target) => {
    expect(make(['--dry-run', target])).toEqual({ status: 0, output: expect.any(String) })
  })

  it.each(['18.20.4', '20.18.3'])('says in one clear line that Node %s is too old', (version) => {
    const { status, output } = make(['--silent', 'node-ready'], { PATH: pretendVersion(version) })
    expect(status).not.toBe(0)
    expect(output.split('\n')[0]).toBe(`Sealway needs Node 20.19 or newer; this is ${version}: https://nodejs.org`)
  })

  it.each(['20.19.0', '22.1.0', '100.0.0'])('takes Node %s', (version) => {
    const { status, output } = make(['--silent', 'node-ready'], { PATH: pretendVersion(version) })
    expect({ status, output }).toEqual({ status: 0, output: '' })
  })

  it('hands Ctrl-C to the programs themselves, without a shell in between', () => {
    const recipes = [...makefile.matchAll(/^\t@(.*\bnode [a-z].*\.m?js.*)$/gm)].map(([, recipe]) => recipe!)
    const lasting = recipes.filter((recipe) => !recipe.includes('scripts/prepare.mjs'))
    expect(lasting.length).toBeGreaterThanOrEqual(4)
    for (const recipe of lasting) expect(recipe).toMatch(/^exec /)
    expect(makefile).toMatch(/^SEALWAY := exec node /m)
  })

  it('is all that continuous integration calls', () => {
    const script = readFileSync(join(repositoryRoot, '.ci', 'run'), 'utf8')
    expect(script.split('\n')[0]).toBe('#!/usr/bin/env bash')
    expect(script).toMatch(/^exec make test$/m)
  })
})

describe('preparing', () => {
  it('can be begun twice at once: the second waits for the first', async () => {
    const both = [1, 2].map(() =>
      startProgram(['scripts/prepare.mjs', 'build'], { env: { HOME: process.env.HOME ?? '' } }),
    )
    for (const program of both) expect((await program.ended).code).toBe(0)
  })

  it('says how it is used', () => {
    expect(runProgram('node', ['scripts/prepare.mjs', 'dance'])).toEqual({
      status: 2,
      output: expect.stringContaining('usage: '),
    })
  })
})
