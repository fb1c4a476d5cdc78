import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { SealwayError } from '@sealway/protocol'

/** sockaddr_un holds 108 bytes with the closing zero (unix(7)). */
const maxPathBytes = 107

/**
 * Listens on a Unix socket, mode 0600. A socket file that nobody answers on is removed first; a live one is left alone.
 * @throws SealwayError `PORT_IN_USE` or `CONFIG_INVALID`
 */
export async function listenOnPath(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new SealwayError('CONFIG_INVALID', {
      message: `IPC_PATH is ${Buffer.byteLength(path)} bytes long; a Unix socket path has at most ${maxPathBytes}`,
    })
  }
  if (await answers(path)) {
    throw new SealwayError('PORT_IN_USE', { message: `another process listens on the socket ${path}` })
  }
  try {
    removeStale(path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.removeListener('error', reject)
        resolve()
      })
    })
    chmodSync(path, 0o600)
  } catch (cause) {
    if (cause instanceof SealwayError) throw cause
    throw new SealwayError('CONFIG_INVALID', {
      message: `cannot listen on ${path} (${(cause as NodeJS.ErrnoException).code}); check IPC_PATH`,
      cause,
    })
  }
}

/** Only a socket is ever removed: a wrong IPC_PATH must not cost a file. */
function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket()) {
    throw new SealwayError('CONFIG_INVALID', { message: `IPC_PATH ${path} is there already, and is not a socket` })
  }
  unlinkSync(path)
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
