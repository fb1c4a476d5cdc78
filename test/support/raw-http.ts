import { connect, type Socket } from 'node:net'
import { patienceMs } from './patience'

/** A client on a socket that sends what it is told to, and keeps what comes, byte for byte. */
export class RawClient {
  text = ''
  closed = false
  readonly socket: Socket
  private readonly lookers = new Set<() => void>()

  constructor(url: string) {
    const { port } = new URL(url)
    this.socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
      this.look()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
      this.look()
    })
  }

  private look(): void {
    for (const looker of [...this.lookers]) looker()
  }

  send(...lines: string[]): this {
    this.socket.write(lines.join('\r\n'), 'latin1')
    return this
  }

  until<T>(what: string, found: (text: string) => T | undefined | false, limitMs = patienceMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const value = found(this.text)
        if (value === undefined || value === false) return
        clearTimeout(timer)
        this.lookers.delete(look)
        resolve(value)
      }
      const timer = setTimeout(() => {
        this.lookers.delete(look)
        reject(new Error(`no ${what} within ${limitMs} ms; so far: ${this.text.slice(0, 500)}`))
      }, limitMs)
      this.lookers.add(look)
      look()
    })
  }

  untilClosed(): Promise<true> {
    return this.until('end of the connection', () => this.closed && (true as const))
  }

  /** Statuses of all answers that came, those below 200 among them. */
  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  }

  destroy(): void {
    this.socket.destroy()
  }
}
