import { type Peer, type PeerChange, SealwayError } from '@sealway/protocol'
import { Backlog } from '../messaging/backlog.js'

/** Changes that wait for whoever watches; a reader that is further behind is told to start anew. */
const maxBacklog = 10_000

/** Who is told of the members of a group. */
interface PeerReader {
  push(change: PeerChange): void
  /** A fresh list: what is different from before is a change. */
  refresh(group: string, peers: readonly Peer[]): void
  end(): void
}

/** Members of watched groups, one reader per `for await`. */
export class PeerWatches {
  private readonly readers = new Map<string, Set<PeerReader>>()

  get groups(): string[] {
    return [...this.readers.keys()]
  }

  changed(change: PeerChange): void {
    for (const reader of this.readers.get(change.group) ?? []) reader.push(change)
  }

  /** A fresh list, after a reconnect: what is different from before comes as changes. */
  refreshed(group: string, peers: readonly Peer[]): void {
    for (const reader of this.readers.get(group) ?? []) reader.refresh(group, peers)
  }

  /** @param onLast runs when nobody watches this group any more */
  open(group: string, onLast: () => void): Reader {
    const readers: Set<PeerReader> = this.readers.get(group) ?? new Set()
    const reader = new Reader(() => {
      readers.delete(reader)
      if (readers.size > 0 || this.readers.get(group) !== readers) return
      this.readers.delete(group)
      onLast()
    })
    this.readers.set(group, readers.add(reader))
    return reader
  }

  /** Tells this one too, until the end. */
  add(group: string, reader: PeerReader): void {
    this.readers.set(group, (this.readers.get(group) ?? new Set()).add(reader))
  }

  close(): void {
    for (const readers of this.readers.values()) for (const reader of readers) reader.end()
    this.readers.clear()
  }
}

class Reader implements PeerReader, AsyncIterableIterator<PeerChange> {
  private readonly known = new Map<string, Peer>()
  private readonly backlog = new Backlog<PeerChange>(maxBacklog)

  constructor(private readonly onEnd: () => void) {}

  push(change: PeerChange): void {
    if (change.type === 'joined') this.known.set(change.peer.name, change.peer)
    else this.known.delete(change.peer.name)
    this.backlog.push(change)
  }

  refresh(group: string, peers: readonly Peer[]): void {
    const now = new Map(peers.map((peer) => [peer.name, peer]))
    for (const [name, peer] of this.known) {
      if (!now.has(name)) this.push({ group, type: 'left', peer: { ...peer, online: false } })
    }
    for (const [name, peer] of now) if (!this.known.has(name)) this.push({ group, type: 'joined', peer })
  }

  end(): void {
    this.backlog.end()
  }

  next(): Promise<IteratorResult<PeerChange>> {
    return this.backlog.next()
  }

  async return(): Promise<IteratorResult<PeerChange>> {
    this.end()
    this.onEnd()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** @throws SealwayError `INTERNAL` where the mediator's answer is not a list */
export function peersOf(answer: unknown): Peer[] {
  const { peers } = answer as { peers?: unknown }
  if (!Array.isArray(peers)) throw new SealwayError('INTERNAL', { message: 'the mediator answered no list of peers' })
  return peers as Peer[]
}

/** Groups whose members are known at once; those beyond are balanced by the mediator. */
const maxRosters = 256

/** Who is in a group, kept up to date from the first time that somebody asks: for choosing a member here. */
export class Members {
  private readonly rosters = new Map<string, Roster>()

  constructor(
    private readonly watches: PeerWatches,
    /** Asks the mediator to tell of this group; fails where that is not possible now. */
    private readonly watch: (group: string) => Promise<readonly Peer[]>,
    private readonly changed: () => void,
  ) {}

  /** Sorted; undefined where they are not known, or not yet. */
  of(group: string): readonly string[] | undefined {
    const known = this.rosters.get(group)
    if (known) return known.names
    if (this.rosters.size >= maxRosters) return undefined
    const roster = new Roster(this.changed)
    this.rosters.set(group, roster)
    this.watches.add(group, roster)
    roster.asked = this.watch(group).then(
      (peers) => roster.refresh(group, peers),
      // The next link asks again. Until then the mediator chooses.
      () => {},
    )
    return undefined
  }

  /** Resolves when it is known who is in these groups, as far as that can be known now. Never rejects. */
  async learn(groups: readonly string[]): Promise<void> {
    for (const group of groups) this.of(group)
    await Promise.all(groups.map((group) => this.rosters.get(group)?.asked))
  }

  /** Those of a group that somebody has asked for before. */
  known(group: string): readonly string[] | undefined {
    return this.rosters.get(group)?.names
  }
}

class Roster implements PeerReader {
  /** The first question for them is answered, or has failed. */
  asked: Promise<void> | undefined
  private members: Set<string> | undefined
  private sorted: readonly string[] | undefined

  constructor(private readonly changed: () => void) {}

  get names(): readonly string[] | undefined {
    if (this.members) this.sorted ??= [...this.members].sort()
    return this.sorted
  }

  push({ type, peer }: PeerChange): void {
    // Before the list there is nothing to change.
    if (!this.members) return
    if (type === 'joined') this.members.add(peer.name)
    else this.members.delete(peer.name)
    this.touch()
  }

  refresh(_group: string, peers: readonly Peer[]): void {
    this.members = new Set(peers.map(({ name }) => name))
    this.touch()
  }

  end(): void {}

  private touch(): void {
    this.sorted = undefined
    this.changed()
  }
}
