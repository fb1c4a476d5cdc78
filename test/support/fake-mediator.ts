import {
  type ClientTransport,
  type Connection,
  decodeJson,
  encodeFrame,
  encodeJson,
  FrameReader,
  FrameType,
  type Hello,
  headerBytes,
  limits,
  memoryPair,
  readU32,
  SealwayError,
} from '@sealway/protocol'

/** The mediator's end of one link, for a test to say what it likes. */
export interface FakeLink {
  readonly connection: Connection
  readonly hello: Hello
  /** Frames after the hello, whole. */
  readonly frames: Uint8Array[]
  closed: boolean
  welcome(change?: object): void
  say(type: FrameType, value: unknown): void
}

/** A mediator without sense: it takes hellos, and the test decides what becomes of them. */
export class FakeMediator {
  readonly links: FakeLink[] = []
  dialled = 0
  /** What a dial ends with, instead of a connection. */
  refusal: SealwayError | undefined
  answersPolicies = true
  /** What it does with a hello. */
  onHello: (link: FakeLink) => void = (link) => link.welcome()

  constructor(private readonly clock: () => number) {}

  readonly transport: ClientTransport = {
    name: 'memory',
    connect: async () => {
      this.dialled++
      if (this.refusal) throw this.refusal
      const [near, far] = memoryPair()
      this.serve(far)
      return near
    },
  }

  get last(): FakeLink {
    const link = this.links.at(-1)
    if (!link) throw new Error('nobody has said hello')
    return link
  }

  private serve(connection: Connection): void {
    const reader = new FrameReader(limits.hardMaxFrameBytes)
    let link: FakeLink | undefined
    connection.start({
      data: (chunk) =>
        reader.push(chunk, (bytes, at, end) => {
          const frame = new Uint8Array(bytes.subarray(at, end))
          if (link) {
            if (asksForPolicies(frame)) {
              if (this.answersPolicies)
                connection.write([encodeJson(FrameType.answer, { policies: 0 }, readU32(frame, 8))])
            } else link.frames.push(frame)
          } else {
            link = this.met(connection, decodeJson(bytes.subarray(at + headerBytes, end)) as Hello)
            this.onHello(link)
          }
        }),
      drain() {},
      close: () => {
        if (link) link.closed = true
      },
    })
  }

  private met(connection: Connection, hello: Hello): FakeLink {
    const link: FakeLink = {
      connection,
      hello,
      frames: [],
      closed: false,
      welcome: (change = {}) => link.say(FrameType.welcome, { ...welcomeTo(hello, this.clock()), ...change }),
      say: (type, value) => void connection.write([encodeJson(type, value)]),
    }
    this.links.push(link)
    return link
  }
}

/** Each node asks at each welcome; what tests look at are the frames beside it. */
const asksForPolicies = (frame: Uint8Array): boolean =>
  frame[4] === FrameType.query && (decodeJson(frame.subarray(headerBytes)) as { type?: unknown }).type === 'policies'

export const welcomeTo = (hello: Hello, now: number) => ({
  version: 1,
  name: hello.name,
  groups: hello.groups,
  epoch: 1,
  mediator: 'fake',
  now,
  tokenExpiresAt: now + 900_000,
  limits: {
    maxFrameBytes: limits.maxFrameBytes,
    routeWindowBytes: limits.routeWindowBytes,
    routeWindowFrames: limits.routeWindowFrames,
    pingEveryMs: limits.pingEveryMs,
    deadAfterMs: limits.deadAfterMs,
  },
})

export const refusalOf = (code: SealwayError['code']) => new SealwayError(code, { message: `made up: ${code}` })

export const typesOf = (frames: readonly Uint8Array[]): number[] => frames.map((frame) => frame[4]!)

export const pong = () => encodeFrame(FrameType.pong)
