import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { nodeFile } from '../../settings/setup.js'
import type { Io } from '../io.js'
import { type Finding, fail, messageOf, ok, warn } from './finding.js'

const answerWithinMs = 5_000
/** Schemes of `SEALWAY_URL`, and what the mediator's port speaks under each. */
const schemes: ReadonlyMap<string, string> = new Map([
  ['http:', 'http:'],
  ['https:', 'https:'],
  ['ws:', 'http:'],
  ['wss:', 'https:'],
  ['sealway+http:', 'http:'],
  ['sealway+https:', 'https:'],
])

/** Whether nodes that are started here find a mediator at their `SEALWAY_URL`. Nothing where that is not set. */
export async function checkNodeUrl(io: Io): Promise<Finding[]> {
  const fromEnvironment = io.environment.SEALWAY_URL
  const url = fromEnvironment || (await fromFile(io))
  if (!url) return []
  const where = fromEnvironment ? 'the environment' : nodeFile
  const shown = `SEALWAY_URL ${withoutSecrets(url)} (in ${where})`
  const report = fromEnvironment ? fail : warn
  try {
    const status = await ask(url)
    if (status === undefined || status === 200) return [ok('mediator', `a mediator answers at ${shown}`)]
    if (status === 503) return [report('mediator', `the mediator at ${shown} is not ready`, 'see its log')]
    return [report('mediator', `what answers at ${shown} is no mediator: status ${status}`, 'see SEALWAY_URL')]
  } catch (error) {
    return [
      report('mediator', `nothing answers at ${shown}: ${messageOf(error)}`, 'start the mediator, or see SEALWAY_URL'),
    ]
  }
}

async function fromFile(io: Io): Promise<string | undefined> {
  const text = await readFile(join(io.folder, nodeFile), 'utf8').catch(() => '')
  return parse(text.replace(/^\uFEFF/, '')).SEALWAY_URL
}

/** @returns the status of its `/readyz`; undefined for a Unix socket that takes a connection */
async function ask(text: string): Promise<number | undefined> {
  if (text.startsWith('unix:')) return opens(text.slice('unix:'.length).replace(/^\/\/(?=\/)/, ''))
  const scheme = URL.canParse(text) ? schemes.get(new URL(text).protocol) : undefined
  if (scheme === undefined) throw new Error('it is not the URL of a mediator')
  const url = new URL(
    `${text
      .replace(/^[^:]+:/, scheme)
      .replace(/[?#].*$/, '')
      .replace(/\/$/, '')}/readyz`,
  )
  url.username = url.password = ''
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(answerWithinMs) })
    await response.body?.cancel()
    return response.status
  } catch (error) {
    // fetch says only that it failed; the cause says why.
    throw error instanceof Error && error.cause instanceof Error ? error.cause : error
  }
}

const opens = (path: string): Promise<undefined> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
  })

const withoutSecrets = (text: string): string => text.replace(/\/\/[^/@]*@/, '//')
