import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const script = (/** @type {string} */ file) => fileURLToPath(new URL(file, import.meta.url))

/**
 * A proxy that is a Node script of this folder.
 *
 * @param {string} name
 * @param {string} title
 * @param {{ file: string, args?: string[], settings: string, packages: string[] }} how
 * @returns {import('../index.mjs').System}
 */
const scripted = (name, title, { file, args = [], settings, packages }) => ({
  name,
  title,
  settings,
  packages,
  http: {},
  async start(processes) {
    const appPort = await processes.freePort()
    const { endpoint, running } = await processes.nodeServer(`${name}.server`, script(file), [String(appPort), ...args])
    return { endpoint: { host: '127.0.0.1', port: Number(endpoint.port), folder: '', appPort }, running }
  },
})

/** As the main forerunner had it: a connection to the app for each request. */
export const expressHttpProxyPlain = scripted('express-http-proxy-plain', 'Express and http-proxy, without an agent', {
  file: './express.mjs',
  settings: 'Express 5 with http-proxy 1.18.1 and its defaults: no agent, a connection to the app for each request',
  packages: ['express', 'http-proxy'],
})

export const expressHttpProxy = scripted('express-http-proxy', 'Express and http-proxy, with keep-alive', {
  file: './express.mjs',
  args: ['keep-alive'],
  settings: 'Express 5 with http-proxy 1.18.1 and an http.Agent with keepAlive and 256 sockets',
  packages: ['express', 'http-proxy'],
})

export const fastifyProxy = scripted('fastify-proxy', 'Fastify and its http-proxy', {
  file: './fastify.mjs',
  settings: '@fastify/http-proxy with undici, up to 256 connections, logger off',
  packages: ['fastify', '@fastify/http-proxy'],
})

/** @type {import('../index.mjs').System} */
export const nginx = {
  name: 'nginx',
  title: 'nginx',
  settings:
    'worker_processes auto, upstream keepalive of 256 connections over HTTP/1.1, access log off, bodies of up to 16 KiB ' +
    'in memory',
  packages: [],
  server: { program: 'nginx', version: ['-v'] },
  http: {},
  async start(processes) {
    const [port, appPort] = [await processes.freePort(), await processes.freePort()]
    const folder = processes.folder('nginx')
    const config = path.join(folder, 'nginx.conf')
    writeFileSync(config, configuration({ port, appPort, folder }))
    const running = await processes.packaged({
      program: 'nginx',
      package: 'nginx-light',
      args: ['-p', folder, '-c', config, '-e', path.join(folder, 'error.log'), '-g', 'daemon off;'],
      port,
    })
    return { endpoint: { host: '127.0.0.1', port, folder, appPort }, running }
  },
}

/** The app alone: what is lost to a proxy is counted from here. @type {import('../index.mjs').System} */
export const none = {
  name: 'none',
  title: 'no proxy',
  settings: 'the app itself, node:http',
  packages: [],
  http: {},
  async start(processes) {
    const appPort = await processes.freePort()
    return { endpoint: { host: '127.0.0.1', port: appPort, folder: '', appPort }, running: undefined }
  },
}

/** @param {{ port: number, appPort: number, folder: string }} where */
const configuration = ({ port, appPort, folder }) => `
worker_processes auto;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_buffer_size 16k;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream app {
    server 127.0.0.1:${appPort};
    keepalive 256;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
