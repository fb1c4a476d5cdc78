import { createHash } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'

const shaOf = async (body: AsyncIterable<Uint8Array>) => {
  const hash = createHash('sha256')
  for await (const chunk of body) hash.update(chunk)
  return hash.digest('hex')
}

/** What the platform's own parser of multipart reads of a request. */
async function formIn(req: IncomingMessage): Promise<unknown> {
  const headers = { 'content-type': req.headers['content-type']! }
  const request = new Request('http://x', {
    method: 'POST',
    headers,
    body: Readable.toWeb(req),
    duplex: 'half',
  } as never)
  const fields: unknown[] = []
  for (const [name, value] of await request.formData()) {
    if (typeof value === 'string') fields.push([name, value])
    else fields.push([name, value.name, value.type, value.size, await shaOf(value.stream())])
  }
  return fields
}

/** Answers in every way that a user of fetch may meet; below any framework. */
export const fetchApp: RequestListener = (req, res) => {
  const url = new URL(req.url!, 'http://x')
  const number = Number(url.searchParams.get('n') ?? 0)
  switch (url.pathname) {
    case '/status':
      res.writeHead(number, 'As Wanted', { 'x-status': number })
      res.end(number === 204 || number === 304 || number === 205 ? undefined : 'body')
      return
    case '/cookies':
      res.writeHead(200, { 'set-cookie': ['a=1; Path=/', 'b=2; HttpOnly'], 'content-type': 'text/plain' })
      res.end(req.headers.cookie ?? 'none')
      return
    case '/trailers':
      res.writeHead(200, { trailer: 'x-sum' })
      res.write('with ')
      res.addTrailers({ 'x-sum': '1' })
      res.end('trailers')
      return
    case '/gzip':
      res.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' })
      res.end(gzipSync('zipped'))
      return
    case '/bad-gzip':
      res.writeHead(200, { 'content-encoding': 'gzip' })
      res.end('this is not gzip')
      return
    case '/hop':
      res.writeHead(number, { location: url.searchParams.get('to') ?? '/echo' })
      res.end('gone')
      return
    case '/loop':
      res.writeHead(302, { location: '/loop' }).end()
      return
    case '/latin1':
      res.writeHead(200, { 'content-type': 'text/html; charset=iso-8859-1', 'x-name': 'J\u00fcrgen' })
      res.end(Buffer.from([0x4a, 0xfc]))
      return
    case '/bom':
      res.end('\ufeffbom')
      return
    case '/multi':
      res.writeHead(200, ['X-Multi', 'a', 'X-Multi', 'b', 'Vary', 'x', 'vary', 'y'])
      res.end()
      return
    case '/back':
      res.writeHead(200, { 'content-type': req.headers['content-type'] })
      req.pipe(res)
      return
    case '/form':
      void formIn(req).then((fields) => res.end(JSON.stringify(fields)))
      return
    case '/short':
      res.writeHead(200, { 'content-length': '100' })
      res.write('short', () => res.destroy())
      return
    default: {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        const body = Buffer.concat(chunks)
        const { host: _, connection: __, 'accept-encoding': ___, ...headers } = req.headers
        for (const name of ['accept-language', 'sec-fetch-mode', 'user-agent']) delete headers[name]
        const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1]
        const sorted = Object.entries(headers)
          .filter(([name]) => !/^(?:x-forwarded-.*|forwarded|via|sealway-group|transfer-encoding)$/.test(name))
          .sort(([a], [b]) => (a < b ? -1 : 1))
        const text = JSON.stringify({
          method: req.method,
          url: req.url,
          headers: sorted,
          body: body.toString('latin1'),
        })
        res.writeHead(200, { 'content-type': 'application/json' })
        res.end(boundary ? text.replaceAll(boundary, 'BOUNDARY') : text)
      })
    }
  }
}
