import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import type { Played, Round } from './player.js'

const root = join(__dirname, '../..')

/**
 * Where seeds are played: a thread of its own that runs everything as one script, much as users run it. In jest's own
 * modules the same costs a third more: each use of an import is a call there, and each error keeps a hundred frames.
 */
export class Stage {
  private constructor(private readonly worker: Worker) {}

  static async open(): Promise<Stage> {
    const { outputFiles } = await build({
      entryPoints: [join(root, 'test/simulation/player.ts')],
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      write: false,
      absWorkingDir: root,
      logLevel: 'silent',
      alias: { '@sealway/protocol': join(root, 'protocol/src/index.ts') },
    })
    return new Stage(new Worker(outputFiles[0]!.text, { eval: true }))
  }

  /** One round after the other. */
  play(first: number, last: number, { whole = false } = {}): Promise<readonly Played[]> {
    const { worker } = this
    return new Promise((resolve, reject) => {
      const told = (played: readonly Played[]): void => {
        worker.off('error', failed)
        resolve(played)
      }
      const failed = (error: Error): void => {
        worker.off('message', told)
        reject(error)
      }
      worker.once('message', told)
      worker.once('error', failed)
      worker.postMessage({ first, last, whole } satisfies Round)
    })
  }

  async close(): Promise<void> {
    await this.worker.terminate()
  }
}
