import { EventEmitter } from 'node:events'
import type { LiveSocket } from '../../../server/src/cli/live-feed'
import { Snapshot } from '../../../server/src/cli/snapshot'

describe('what top and doctor wait for', () => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())

  function setup() {
    const socket = new EventEmitter()
    const snapshot = new Snapshot()
    snapshot.listen(socket as unknown as LiveSocket)
    const answers: boolean[] = []
    void snapshot.complete(socket as unknown as LiveSocket, 10_000).then((answer) => answers.push(answer))
    const hear = async (event: string, value: object) => {
      socket.emit(event, value)
      await Promise.resolve()
      return answers
    }
    return { snapshot, socket, answers, hear }
  }
  const part = (name: string, all: boolean, more: boolean) => ({ all, more, nodes: [{ name }], removed: [] })

  it('is the rates of a second, and the last of all nodes', async () => {
    const { snapshot, socket, hear } = setup()
    await hear('nodes', part('a', true, true))
    await hear('health', {})
    expect(await hear('health', {})).toEqual([])
    await hear('nodes', part('b', false, false))
    expect(await hear('health', {})).toEqual([true])
    expect([...snapshot.nodes.keys()]).toEqual(['a', 'b'])
    expect([jest.getTimerCount(), socket.listenerCount('health')]).toEqual([0, 1])
  })

  it('is a second health, though all nodes were told before the first', async () => {
    const { hear } = setup()
    await hear('nodes', part('a', true, false))
    expect(await hear('health', {})).toEqual([])
    expect(await hear('health', {})).toEqual([true])
  })

  it('has an end', async () => {
    const { socket, answers, hear } = setup()
    await hear('nodes', part('a', true, true))
    for (let i = 0; i < 3; i++) await hear('health', {})
    await jest.advanceTimersByTimeAsync(10_000)
    expect(answers).toEqual([false])
    expect(socket.listenerCount('health')).toBe(1)
  })
})
