import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fullRun } from '../support/full-run'
import { type MediatorProcess, startMediatorProcess } from '../support/spawn-mediator'

const mebibyte = 1024 * 1024
/** Ten minutes in the full run; in the gate enough to see what is lost or left open. */
const counts = fullRun ? { seconds: 600, names: 60_000, callers: 6_000 } : { seconds: 2, names: 100, callers: 20 }

interface Look {
  readonly heap: number
  readonly rss: number
  readonly descriptors: number
  readonly timers: number
  readonly listeners: number
}
interface Counts {
  readonly [what: string]: number
}
interface Soaked {
  readonly base: Look
  readonly samples: readonly { readonly at: number; readonly heap: number; readonly rss: number }[]
  readonly afterTraffic: Look
  readonly afterChurn: Look
  readonly sent: Counts
  readonly got: Counts
  readonly dropped: readonly string[]
  readonly rejections: readonly string[]
}

/** Slope of the line through the points, in units of y for ten minutes. */
function perTenMinutes(points: readonly { readonly at: number; readonly y: number }[]): number {
  const mean = (of: (point: { at: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [at, y] = [mean((point) => point.at), mean((point) => point.y)]
  return (600_000 * mean((point) => (point.at - at) * (point.y - y))) / mean((point) => (point.at - at) ** 2)
}

function soak(mediator: MediatorProcess): Promise<Soaked> {
  const task = JSON.stringify({ url: mediator.url, jwtSecret: mediator.jwtSecret, ...counts })
  const child = spawn(process.execPath, ['--expose-gc', join(__dirname, '../support/soak-nodes.mjs'), task])
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  return new Promise((resolve, reject) => {
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`it ended with ${code}: ${err}`)),
    )
  })
}

describe('nodes under mixed traffic', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sealway-soak-'))
  let mediator: MediatorProcess
  let soaked: Soaked
  beforeAll(
    async () => {
      mediator = await startMediatorProcess({ ipcPath: join(folder, 'm.sock') })
      soaked = await soak(mediator)
    },
    (counts.seconds + 600) * 1_000,
  )
  afterAll(async () => {
    await mediator?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('R24: lose nothing, and leave no descriptor, timer, listener or rejection behind', () => {
    const { base, afterTraffic, sent, got, dropped, rejections } = soaked
    expect(sent.fires).toBeGreaterThan(counts.seconds * 100)
    expect(got).toEqual(sent)
    expect([dropped, rejections]).toEqual([[], []])
    expect(afterTraffic.descriptors).toBeLessThanOrEqual(base.descriptors)
    expect(afterTraffic.timers).toBeLessThanOrEqual(base.timers + 4)
    expect(afterTraffic.listeners).toBe(0)
    expect(afterTraffic.heap - base.heap).toBeLessThan(5 * mebibyte)
  })

  it('R25: return to the heap they had after names that are addressed once and callers that come and go', () => {
    const { afterTraffic, afterChurn } = soaked
    expect(afterChurn.descriptors).toBeLessThanOrEqual(afterTraffic.descriptors)
    // The flow of a caller that has left is remembered until none of its frames can be replayed: 4 KiB each.
    const flows = 4_096 * counts.callers
    expect(afterChurn.heap - afterTraffic.heap).toBeLessThan(5 * mebibyte + flows)
  })

  if (fullRun) {
    it('R24: do not grow: at most 1 MiB of heap in ten minutes, once they are warm', () => {
      const { samples } = soaked
      const later = samples.slice(Math.floor(samples.length / 2))
      expect(perTenMinutes(later.map(({ at, heap }) => ({ at, y: heap })))).toBeLessThan(mebibyte)
    })
  }
})
