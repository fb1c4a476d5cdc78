import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, NotInstalled } from '../../harness/processes.mjs'

/** Not the one on the PATH: that is a wrapper which changes the user, and with it who may read the private folder. */
const command = '/usr/lib/rabbitmq/bin/rabbitmq-server'

/** @type {import('../index.mjs').System} */
export const system = {
  name: 'rabbitmq',
  title: 'RabbitMQ',
  client: fileURLToPath(new URL('./client.mjs', import.meta.url)),
  settings:
    'transient messages, exclusive classic queues, consumers without acknowledgements, direct reply-to for calls, ' +
    'TCP_NODELAY on; amqplib, waiting for drain when its write buffer is full',
  packages: ['amqplib'],
  // Asked for its version, the server itself starts.
  server: { name: 'rabbitmq-server', program: 'dpkg-query', version: ['--show', 'rabbitmq-server'] },
  async start(processes) {
    const [port, nodePort, epmdPort] = [
      await processes.freePort(),
      await processes.freePort(),
      await processes.freePort(),
    ]
    const folder = processes.folder('rabbitmq')
    const config = path.join(folder, 'rabbitmq.conf')
    const plugins = path.join(folder, 'enabled_plugins')
    const lines = [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      'tcp_listen_options.nodelay = true',
      'log.console.level = error',
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    writeFileSync(plugins, '[].\n')
    if (findProgram(command) === undefined) throw new NotInstalled('apt-get install rabbitmq-server')
    // Erlang's own name server: it would start one as a daemon, which nobody would stop.
    const epmd = await processes.packaged({
      program: 'epmd',
      package: 'erlang-base',
      args: ['-address', '127.0.0.1', '-port', String(epmdPort)],
      port: epmdPort,
    })
    const running = await processes.packaged({
      program: command,
      package: 'rabbitmq-server',
      args: [],
      port,
      env: {
        // The script then becomes the server instead of watching over it: its process id is the one to measure.
        RUNNING_UNDER_SYSTEMD: '1',
        HOME: folder,
        ERL_EPMD_PORT: String(epmdPort),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_NODENAME: `bench-${port}@localhost`,
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(nodePort),
        RABBITMQ_CONFIG_FILE: config,
        RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
        RABBITMQ_MNESIA_BASE: path.join(folder, 'data'),
        RABBITMQ_LOG_BASE: path.join(folder, 'log'),
        RABBITMQ_LOGS: '-',
        RABBITMQ_PID_FILE: path.join(folder, 'pid'),
      },
    })
    const stop = async () => {
      await running.stop()
      await epmd.stop()
    }
    return { endpoint: { host: '127.0.0.1', port, folder }, running: { ...running, stop } }
  },
}
