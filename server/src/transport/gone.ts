import type { Server, Socket } from 'node:net'

/**
 * Whether a client has gone before anybody asked for its address: what it sent can still be read, but not who it was, and it
 * must not pass for somebody on a Unix socket, who has no address either and is trusted. Node keeps an address once asked for.
 */
export const hasGone = (socket: Socket, server: Server): boolean =>
  socket.remoteAddress === undefined && typeof server.address() !== 'string'
