import { randomBytes } from 'node:crypto'
import type { Node } from '@sealway/client'
import { parseGroup, parseName } from '@sealway/protocol'
import { Formation } from '../support/formation'
import { HttpProgram } from '../support/http-program'
import { join as joinLink, noise, tokenFor } from '../support/link'
import { eventually, until } from '../support/until'

let formation: Formation
let greeter: Node
let programs = 0
beforeAll(async () => {
  formation = await Formation.start({ limits: { probeMs: 50 } })
  greeter = await formation.join('greeter', 'tcp')
  greeter.on('greet', ({ body }) => `hello ${(body as { name: string }).name}`)
  greeter.on('slow', ({ body }) => new Promise((resolve) => setTimeout(resolve, 60_000, body).unref()))
})
afterAll(() => formation.close())

const octets = { 'content-type': 'application/octet-stream' }
const bytes = (frame: Uint8Array) => new Uint8Array(frame)

/** A program under a name of its own, whose groups it says in each request. */
function program(options: { scopes?: string[]; name?: string } = {}) {
  const name = options.name ?? `curl-${++programs}`
  const { token } = tokenFor(formation.started.jwtSecret, name, options.scopes ? { scopes: options.scopes } : {})
  return new HttpProgram(formation.started.url, name, token, formation.key)
}
const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code]

describe('a program that speaks only HTTP', () => {
  it('calls a node with what it sealed itself, and opens the answer', async () => {
    const curl = program()
    const body = bytes(await curl.seal('greeter', 3, 'greet', { name: 'curl' }, 99))
    const answer = await curl.ask('/v1/call?to=greeter&groups=g', { headers: octets, body })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/octet-stream'])
    expect(answer.headers.get('sealway-from')).toBe('greeter')
    expect(answer.headers.get('sealway-instance')).toBe(curl.instance)
    const [reply] = await curl.opened(answer)
    // Status 0, encoding 2: text.
    expect([reply!.kind, reply!.corr, [...reply!.payload.subarray(0, 2)]]).toEqual([4, 99n, [0, 2]])
    expect(reply!.payload.subarray(2).toString()).toBe('hello curl')
  })

  it('calls one member of a group, and sends its frame as base64 in JSON', async () => {
    const curl = program()
    const other = await formation.join('only-one', 'http', { groups: ['ones'] })
    other.on('greet', (_command, { from }) => from)
    const frame = (await curl.seal('any:ones', 3, 'greet', {})).toString('base64')
    const answer = await curl.ask('/v1/call?to=any:ones&groups=ones', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ frame }),
    })
    expect([answer.status, answer.headers.get('sealway-from')]).toEqual([200, 'only-one'])
    const [reply] = await curl.opened(answer)
    expect(reply!.payload.subarray(2).toString()).toBe(curl.name)
  })

  it('sends, and is told that it was taken and by whom', async () => {
    const curl = program()
    const notes: unknown[] = []
    greeter.on('note', ({ body }, { from }) => void notes.push([from, body]))
    for (let i = 0; i < 3; i++) {
      const body = bytes(await curl.seal('greeter', 1, 'note', i))
      const answer = await curl.ask('/v1/send?to=greeter&groups=g', { headers: octets, body })
      expect([answer.status, await answer.json()]).toEqual([202, { accepted: ['greeter'] }])
    }
    await eventually(() => notes.length === 3, 'all arrive')
    expect(notes).toEqual([0, 1, 2].map((i) => [curl.name, i]))
    expect(formation.started.mediator.relay.presence.get(curl.name)).toMatchObject({ transport: 'http' })
  })

  it('broadcasts, and is told the names', async () => {
    const curl = program()
    const got: unknown[] = []
    for (const name of ['b1', 'b2']) {
      const member = await formation.join(name, 'tcp', { groups: ['many'] })
      member.on('all', ({ body }) => void got.push(body))
    }
    const body = bytes(await curl.seal('group:many', 6, 'all', 'news'))
    const answer = await curl.ask('/v1/broadcast?to=group:many&groups=many', { headers: octets, body })
    const { accepted } = (await answer.json()) as { accepted: string[] }
    expect([answer.status, accepted.sort()]).toEqual([200, ['b1', 'b2']])
    await eventually(() => got.length === 2, 'both have it')
  })

  it('receives what comes for its name, one frame after the other', async () => {
    const curl = program()
    expect((await curl.ask('/v1/receive?groups=g&wait=0')).status).toBe(204)
    await greeter.send(curl.name, 'ping', { n: 1 })
    const first = await curl.ask('/v1/receive')
    expect([first.status, first.headers.get('sealway-from')]).toEqual([200, 'greeter'])
    const [record] = await curl.opened(first)
    expect([record!.kind, record!.payload.subarray(2, 6).toString()]).toEqual([1, 'ping'])
    const waiting = curl.ask('/v1/receive')
    await greeter.send(curl.name, 'pong', {})
    const [second] = await curl.opened(await waiting)
    expect(second!.payload.subarray(2, 6).toString()).toBe('pong')
  })

  it('receives as server-sent events', async () => {
    const curl = program()
    await (await curl.ask('/v1/receive?groups=g&wait=0')).arrayBuffer()
    await greeter.send(curl.name, 'before', 0)
    const answer = await curl.ask('/v1/receive', { headers: { accept: 'text/event-stream' } })
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const reader = answer.body!.getReader()
    let text = ''
    const events = () => text.split('\n\n').filter((event) => event.startsWith('data: '))
    const read = async (count: number) => {
      while (events().length < count) text += Buffer.from((await reader.read()).value!).toString()
    }
    await read(1)
    await greeter.send(curl.name, 'after', 1)
    await read(2)
    const actions = []
    for (const event of events()) {
      const { frame, ...labels } = JSON.parse(event.slice(6)) as {
        frame: string
        from: string
        to: string
        scope: string
      }
      const [record] = await curl.open(Buffer.from(frame, 'base64'), labels)
      actions.push(record!.payload.subarray(2, 2 + record!.payload[1]!).toString())
    }
    expect(actions).toEqual(['before', 'after'])
    await reader.cancel()
    // The reader has gone: the next one gets what follows.
    await greeter.send(curl.name, 'later', 2)
    expect((await curl.ask('/v1/receive')).status).toBe(200)
  })

  it('keeps its link for as long as it uses it, and is told which it is', async () => {
    const curl = program()
    const first = await curl.ask('/v1/receive?groups=g&wait=0')
    const link = first.headers.get('sealway-link')!
    expect(Buffer.from(link, 'base64url')).toHaveLength(32)
    const second = await curl.ask('/v1/receive?wait=0', { headers: { 'sealway-link': link } })
    expect([second.status, second.headers.get('sealway-link')]).toEqual([204, link])
    for (const wrong of ['x', randomBytes(32).toString('base64url')]) {
      const answer = await curl.ask('/v1/receive?wait=0', { headers: { 'sealway-link': wrong } })
      expect(await codeOf(answer)).toEqual([404, 'NOT_FOUND'])
    }
  })

  it('can take its link for another instance, which ends the first', async () => {
    const curl = program()
    await (await curl.ask('/v1/receive?groups=g&wait=0')).arrayBuffer()
    const instance = randomBytes(16).toString('hex')
    const waiting = curl.ask('/v1/receive')
    await until(() => formation.started.mediator.relay.presence.get(curl.name) !== undefined, 'it is there')
    const other = await curl.ask('/v1/receive?wait=0', { headers: { 'sealway-instance': instance } })
    expect([other.status, other.headers.get('sealway-instance')]).toEqual([204, instance])
    expect(await codeOf(await waiting)).toEqual([409, 'SUPERSEDED'])
  })
})

describe('a program that sends without joining a group', () => {
  const registry = () => formation.started.mediator.registry
  const send = async (curl: HttpProgram, path = '/v1/send?to=greeter', kind = 1) =>
    curl.ask(path, { headers: octets, body: bytes(await curl.seal('greeter', kind, 'greet', { name: 'it' }, 7)) })

  it('receives the answers with a token that allows sending only', async () => {
    const curl = program({ scopes: ['send:g/*', 'broadcast:g'] })
    expect((await send(curl, '/v1/send?to=greeter', 3)).status).toBe(202)
    const answer = await curl.ask('/v1/receive')
    expect([answer.status, answer.headers.get('sealway-from')]).toEqual([200, 'greeter'])
    expect(await registry().node(curl.name)).toMatchObject({ groups: [] })
  })

  it('receives the answers with a token without scopes, over the link on which it has sent', async () => {
    const curl = program()
    expect((await send(curl, '/v1/send?to=greeter&groups=g', 3)).status).toBe(202)
    const answer = await curl.ask('/v1/receive')
    expect([answer.status, answer.headers.get('sealway-from')]).toEqual([200, 'greeter'])
  })

  it('receives in the group in which its token registers it, and not in those to which it may only send', async () => {
    const curl = program({ name: 'in-shop', scopes: ['register:in-shop@shop', 'send:g/*', 'broadcast:g'] })
    expect((await curl.ask('/v1/receive?wait=0')).status).toBe(204)
    expect((await send(curl)).status).toBe(202)
    expect(await registry().node('in-shop')).toMatchObject({ groups: ['shop'] })
  })

  it('stays in the groups in which it is registered', async () => {
    const curl = program({ name: 'registered' })
    await registry().upsertNode({ name: parseName('registered'), groups: [parseGroup('g')] }, 'test')
    expect((await send(curl)).status).toBe(202)
    expect(await registry().node('registered')).toMatchObject({ groups: ['g'] })
  })
})

describe('what does not go through', () => {
  it.each([
    ['/v1/send?to=nobody&groups=g', 404, 'UNKNOWN_NODE'],
    ['/v1/send?to=any:elsewhere&groups=g', 403, 'FORBIDDEN'],
    ['/v1/call?to=nobody&groups=g', 404, 'UNKNOWN_NODE'],
    ['/v1/call?to=greeter&groups=g&timeout=50', 504, 'TIMEOUT'],
    ['/v1/call?to=group:g&groups=g', 400, 'MALFORMED'],
    ['/v1/send?to=group:g&groups=g', 400, 'MALFORMED'],
    ['/v1/broadcast?to=greeter&groups=g', 400, 'MALFORMED'],
    ['/v1/send?groups=g', 400, 'MALFORMED'],
    ['/v1/send?to=Nobody&groups=g', 400, 'INVALID_NAME'],
    ['/v1/send?to=greeter&groups=G', 400, 'INVALID_NAME'],
    ['/v1/send?to=greeter&groups=g&scope=a b', 400, 'MALFORMED'],
    ['/v1/send?to=greeter', 400, 'MALFORMED'],
    ['/v1/call?to=greeter&groups=g&timeout=0', 400, 'MALFORMED'],
    ['/v1/call?to=greeter&groups=g&timeout=x', 400, 'MALFORMED'],
    ['/v1/send?to=greeter&groups=g&to=greeter', 400, 'MALFORMED'],
  ])('%s is answered %i %s', async (path, status, code) => {
    const curl = program()
    const target = new URL(path, 'http://x').searchParams.get('to') ?? 'x'
    const body = bytes(await curl.seal(target, 3, 'slow', {}))
    expect(await codeOf(await curl.ask(path, { headers: octets, body }))).toEqual([status, code])
  })

  it.each([
    ['nothing', octets, '', 400, 'MALFORMED'],
    ['95 bytes', octets, 'x'.repeat(95), 400, 'MALFORMED'],
    ['over a frame', octets, 'x'.repeat(1024 * 1024 + 1), 413, 'TOO_LARGE'],
    ['far over a frame', octets, 'x'.repeat(3 * 1024 * 1024), 413, 'TOO_LARGE'],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=b', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['JSON without a frame', { 'content-type': 'application/json' }, '{}', 400, 'MALFORMED'],
    ['JSON with another type', { 'content-type': 'application/json' }, '{"frame":[1]}', 400, 'MALFORMED'],
    ['JSON that is no base64', { 'content-type': 'application/json' }, '{"frame":"a*b"}', 400, 'MALFORMED'],
    ['JSON null', { 'content-type': 'application/json' }, 'null', 400, 'MALFORMED'],
    ['a poisoned key', { 'content-type': 'application/json' }, '{"__proto__":{"frame":"AA"}}', 400, 'MALFORMED'],
  ])('a body of %s', async (_what, headers, body, status, code) => {
    const answer = await program().ask('/v1/send?to=greeter&groups=g', { headers, body })
    expect(await codeOf(answer)).toEqual([status, code])
    expect(({} as { frame?: unknown }).frame).toBeUndefined()
  })

  it('noise reaches its node, which refuses it: nothing here can tell', async () => {
    const refused: unknown[] = []
    const off = greeter.events.on('refused', ({ from }) => refused.push(from))
    const curl = program()
    const answer = await curl.ask('/v1/send?to=greeter&groups=g', { headers: octets, body: bytes(noise(1, 200)) })
    expect(answer.status).toBe(202)
    await eventually(() => refused.includes(curl.name), 'it is refused')
    off()
  })

  it('the token decides what it may: who, where to and in which groups', async () => {
    const frame = async (curl: HttpProgram) => bytes(await curl.seal('greeter', 1, 'note', 0))
    const ask = async (curl: HttpProgram, path: string) =>
      codeOf(await curl.ask(path, { headers: octets, body: await frame(curl) }))
    const { url } = formation.started
    expect((await fetch(`${url}/v1/send?to=greeter`, { method: 'POST' })).status).toBe(401)
    expect(await ask(program({ name: '*' }), '/v1/send?to=greeter&groups=g')).toEqual([403, 'FORBIDDEN'])
    const bound = program({ name: 'bound', scopes: ['register:bound@g'] })
    expect(await ask(bound, '/v1/send?to=greeter')).toEqual([403, 'FORBIDDEN'])
    const other = program({ name: 'bound-2', scopes: ['send:g/*', 'register:bound-2@other'] })
    expect(await ask(other, '/v1/receive?groups=g&wait=0')).toEqual([403, 'FORBIDDEN'])
    expect(await ask(other, '/v1/send?to=greeter&groups=elsewhere')).toEqual([403, 'FORBIDDEN'])
    const allowed = await other.ask('/v1/send?to=greeter', { headers: octets, body: await frame(other) })
    expect(allowed.status).toBe(202)
  })

  it('a token with less rights does not send over the link of one with more', async () => {
    const name = 'narrow-and-wide'
    const wide = program({ name, scopes: [`register:${name}@g`, 'send:g/*'] })
    const narrow = program({ name, scopes: [`register:${name}@g`] })
    const send = async (curl: HttpProgram) =>
      curl.ask('/v1/send?to=greeter', { headers: octets, body: bytes(await curl.seal('greeter', 1, 'note', 0)) })
    expect((await send(wide)).status).toBe(202)
    expect(await codeOf(await send(narrow))).toEqual([403, 'FORBIDDEN'])
    expect((await send(wide)).status).toBe(202)
  })

  it('a name that a live node holds is not taken from it', async () => {
    const curl = program({ name: 'greeter' })
    const body = bytes(await curl.seal('greeter', 1, 'note', 0))
    const answer = await curl.ask('/v1/send?to=greeter&groups=g', { headers: octets, body })
    expect(await codeOf(answer)).toEqual([409, 'NAME_IN_USE'])
    expect(greeter.connected).toBe(true)
  })

  it('one call at a time waits on a link', async () => {
    const curl = program()
    const ask = async (corr: number, timeout: number) =>
      curl.ask(`/v1/call?to=greeter&groups=g&timeout=${timeout}`, {
        headers: octets,
        body: bytes(await curl.seal('greeter', 3, 'slow', {}, corr)),
      })
    const first = ask(1, 600)
    await until(() => formation.started.mediator.relay.presence.get(curl.name) !== undefined, 'it is there')
    // The link is there with the first call already waiting on it.
    expect(await codeOf(await ask(2, 300))).toEqual([503, 'BUSY'])
    expect(await codeOf(await first)).toEqual([504, 'TIMEOUT'])
    expect(await codeOf(await ask(3, 50))).toEqual([504, 'TIMEOUT'])
  })

  it('a call whose program has gone waits no longer', async () => {
    const curl = program()
    const gone = new AbortController()
    const call = curl.ask('/v1/call?to=greeter&groups=g', {
      headers: octets,
      body: bytes(await curl.seal('greeter', 3, 'slow', {})),
      signal: gone.signal,
    })
    await until(() => formation.started.mediator.relay.presence.get(curl.name) !== undefined, 'it is there')
    gone.abort()
    await expect(call).rejects.toThrow()
    const body = bytes(await curl.seal('greeter', 3, 'greet', { name: 'again' }))
    let again = await curl.ask('/v1/call?to=greeter', { headers: octets, body })
    // Until the mediator has seen that the first has gone.
    while (again.status === 503) again = await curl.ask('/v1/call?to=greeter', { headers: octets, body })
    expect(again.status).toBe(200)
  })
})

it('a link of a program that stops asking ends, and its name is free', async () => {
  const quick = await Formation.start({ limits: { deadAfterMs: 100, pingEveryMs: 50 } })
  try {
    const { url, jwtSecret, mediator } = quick.started
    const curl = new HttpProgram(url, 'brief', tokenFor(jwtSecret, 'brief').token, quick.key)
    await (await curl.ask('/v1/receive?groups=g&wait=0')).arrayBuffer()
    await eventually(() => mediator.relay.presence.get('brief') === undefined, 'it is gone')
    const link = await joinLink(url, jwtSecret, { name: 'brief', groups: ['g'] })
    expect(link.welcome!.name).toBe('brief')
    link.connection.destroy()
  } finally {
    await quick.close()
  }
})
