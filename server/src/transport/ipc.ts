import { chmodSync, unlinkSync } from 'node:fs'
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
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.removeListener('error', reject)
      chmodSync(path, 0o600)
      resolve()
    })
  })
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
