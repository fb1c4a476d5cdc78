import { execFileSync } from 'node:child_process'
import { ByName, echo } from '../../support/http-by-name'

/** Asks and resets its connection, while this process does nothing: by the time it is accepted it is gone. */
const askAndReset = (port: number, request: string) =>
  execFileSync(process.execPath, [
    '-e',
    `const socket = require('node:net').connect(${port}, '127.0.0.1', () =>
       socket.write(${JSON.stringify(request)}, () => socket.resetAndDestroy()))`,
  ])

it.each([true, false])('a client that has gone when it is accepted asks nothing (fast path: %s)', async (fastPath) => {
  const world = await ByName.start({ config: { trustProxy: 'loopback' }, fastPath })
  try {
    const node = await world.node({ name: 'web', http: { public: ['/*'] }, onWhole: echo })
    // Without an address it would be believed, as whoever is on the mediator's Unix socket.
    askAndReset(
      Number(new URL(world.url).port),
      'GET /one/g/web/forged HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n',
    )
    // Accepted after the first one.
    expect((await world.ask('/one/g/web/true')).status).toBe(200)
    const forged = node.exchanges.filter(({ head }) => head.headers.join().includes('203.0.113.9'))
    expect(forged.map(({ head }) => head.headers.join())).toEqual([])
  } finally {
    await world.close()
  }
})
