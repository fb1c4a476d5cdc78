import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectOptions, connect, type Node } from '@sealway/client'
import { mintedBy } from '../../client-lib/src/session/token'
import { startMediator, type TestMediator, type TestMediatorOptions } from './mediator'

export const transports = ['tcp', 'ipc', 'ws', 'http'] as const
export type Transport = (typeof transports)[number]

/** A real mediator on loopback, and nodes that share a key. `close()` it at the end of the test. */
export class Formation {
  readonly key = `mk1_${randomBytes(32).toString('base64url')}`
  private readonly nodes: Node[] = []

  private constructor(
    readonly started: TestMediator,
    private readonly folder: string,
  ) {}

  static async start(options: TestMediatorOptions = {}): Promise<Formation> {
    const folder = mkdtempSync(join(tmpdir(), 'sealway-formation-'))
    return new Formation(await startMediator({ ...options, ipcPath: join(folder, 's') }), folder)
  }

  url(transport: Transport): string {
    const { url, ipcPath } = this.started
    return { tcp: url, ipc: `unix:${ipcPath}`, ws: url.replace('http', 'ws'), http: `sealway+${url}` }[transport]
  }

  /** A node in group `g`, unless the options say otherwise. */
  async join(name: string, transport: Transport, options: Partial<ConnectOptions> = {}): Promise<Node> {
    const token = mintedBy(this.started.jwtSecret, name, Date.now)
    const node = await connect(this.url(transport), { name, groups: ['g'], keys: this.key, token, ...options })
    this.nodes.push(node)
    return node
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()))
    await this.started.mediator.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
