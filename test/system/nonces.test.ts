import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { fullRun } from '../support/full-run'
import { build, repositoryRoot } from '../support/program'

const program = join(repositoryRoot, 'test/support/sealing-process.mjs')
const key = `mk1_${randomBytes(32).toString('base64url')}`
/** RELIABILITY C8 asks for 8 processes of a million frames each. */
const processes = fullRun ? 8 : 4
const threads = 2
const framesEach = fullRun ? 1_000_000 : 20_000
const flowsEach = 4

interface Report {
  /** One of each flow: with the key, it is what the flow's own key is made of. */
  readonly salts: readonly string[]
  /** Nonces that came twice under one flow key. */
  readonly repeated: number
}

async function inProcess(): Promise<Report> {
  const args = [program, key, String(framesEach), String(flowsEach)]
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout)
}

function inThread(): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(program, { workerData: [key, framesEach, flowsEach] })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

it('C8: processes and threads that share one payload key never use a key and nonce twice', async () => {
  build()
  const reports = await Promise.all([
    ...Array.from({ length: processes }, inProcess),
    ...Array.from({ length: threads }, inThread),
  ])
  expect(reports.map(({ repeated }) => repeated)).toEqual(reports.map(() => 0))
  const salts = reports.flatMap((report) => report.salts)
  expect(salts).toHaveLength((processes + threads) * flowsEach)
  expect(new Set(salts).size).toBe(salts.length)
})
