import type { LiveNode, NodesTold } from '../../../server/src/live/events'
import { nodesAtOnce, Watcher } from '../../../server/src/live/watcher'

const node = (name: string, queueBytes = 0): LiveNode => ({ name, queueBytes }) as unknown as LiveNode

/** One who watches, and whose connection takes what it is sent, or not. */
function setup() {
  const engine = { writeBuffer: [] as unknown[], transport: { writable: true } }
  const told: [event: string, value: unknown][] = []
  const socket = {
    conn: engine,
    emit: (event: string, value: unknown) => told.push([event, value]),
    disconnect: () => told.push(['disconnect', true]),
  }
  const watcher = new Watcher(socket as never, { stays: () => true })
  return { watcher, engine, told, take: () => told.splice(0) }
}

describe('one who watches', () => {
  it('is told what it asked for, and nothing else', () => {
    const { watcher, take } = setup()
    watcher.watches({ topics: ['edges'] })
    watcher.begin()
    watcher.tell('edges', [])
    watcher.tell('health', {} as never)
    watcher.tellNodes({ nodes: [node('a')], removed: [] })
    watcher.tellFrames('{}', { frames: [], skipped: 3 })
    expect(take()).toEqual([['edges', []]])
  })

  it('gets nothing while it does not read, then is told what it missed, and all nodes anew', () => {
    const { watcher, engine, take } = setup()
    const known = new Map([['a', node('a')]])
    watcher.watches({ topics: ['nodes', 'frames'] })
    watcher.begin()
    watcher.tellAllNodes(known)
    expect(take()).toEqual([['nodes', { all: true, more: false, nodes: [node('a')], removed: [] }]])

    engine.transport.writable = false
    for (let round = 0; round < 3; round++) {
      watcher.begin()
      watcher.tellFrames('{}', { frames: [{}, {}] as never, skipped: 1 })
      watcher.tellNodes({ nodes: [node('a', 7)], removed: [] })
      watcher.tellAllNodes(known)
    }
    expect(take()).toEqual([])

    engine.transport.writable = true
    engine.writeBuffer = ['one that waits still']
    watcher.begin()
    expect(take()).toEqual([])
    engine.writeBuffer = []
    watcher.begin()
    watcher.tellFrames('{}', { frames: [], skipped: 1 })
    watcher.tellNodes({ nodes: [node('a', 8)], removed: [] })
    watcher.tellAllNodes(new Map([['a', node('a', 8)]]))
    expect(take()).toEqual([
      ['missed', { rounds: 4 }],
      ['frames', { frames: [], skipped: 10 }],
      ['nodes', { all: true, more: false, nodes: [node('a', 8)], removed: [] }],
    ])
  })

  it('is told ten thousand nodes in pieces, each as it is by then, without those that have gone', () => {
    const { watcher, take } = setup()
    const known = new Map(Array.from({ length: 2_500 }, (_, i) => [`n${i}`, node(`n${i}`)]))
    watcher.watches({ topics: ['nodes'] })
    watcher.begin()
    watcher.tellAllNodes(known)
    watcher.tellNodes({ nodes: [node('n3', 1)], removed: ['n2400'] })
    known.set('n1500', node('n1500', 9))
    known.delete('n2400')
    for (let round = 0; round < 4; round++) {
      watcher.begin()
      watcher.tellAllNodes(known)
    }
    watcher.tellNodes({ nodes: [node('n3', 2)], removed: [] })
    const messages = take().map(([, value]) => value as NodesTold)
    expect(messages.map(({ all, more, nodes }) => [all, more, nodes.length])).toEqual([
      [true, true, nodesAtOnce],
      [false, true, 1],
      [false, true, nodesAtOnce],
      [false, false, 499],
      [false, false, 1],
    ])
    expect(messages[2]!.nodes.find(({ name }) => name === 'n1500')!.queueBytes).toBe(9)
  })

  it('is told all nodes again only when it begins to watch them again', () => {
    const { watcher, take } = setup()
    const known = new Map([['a', node('a')]])
    const wholes = (): number => {
      watcher.begin()
      watcher.tellAllNodes(known)
      return take().length
    }
    watcher.watches({ topics: ['nodes'] })
    expect([wholes(), wholes()]).toEqual([1, 0])
    watcher.watches({ topics: ['nodes', 'frames'], filter: { from: 'a' } })
    expect(wholes()).toBe(0)
    watcher.watches({ topics: [] })
    watcher.watches({ topics: ['nodes'] })
    expect(wholes()).toBe(1)
  })
})
