import type { LiveEdge, LiveNode } from '../../../dashboard/src/feed'
import { Camera } from '../../../dashboard/src/map/camera'
import { layOut } from '../../../dashboard/src/map/layout'
import { Places } from '../../../dashboard/src/map/places'
import { along, bendOf, maxCurved, type Scene, targetAt } from '../../../dashboard/src/map/scene'

const node = (name: string, group: string) =>
  ({ name, groups: [group], state: 'online', framesInPerSecond: 0, framesOutPerSecond: 0 }) as unknown as LiveNode
const edge = { from: 'a', to: 'b', framesPerSecond: 1, errorsPerSecond: 0 } as LiveEdge

function sceneOf(shown?: ReadonlySet<string>): Scene {
  const nodes = new Map([node('a', 'g'), node('b', 'h')].map((one) => [one.name, one]))
  const layout = layOut(nodes.values())
  const camera = new Camera()
  camera.fit(layout, 800, 600)
  return { layout, camera, nodes, edges: [edge], shown, over: undefined, width: 800, height: 600, now: 0, moves: false }
}

describe('what is under the pointer', () => {
  const place = (scene: Scene, name: string) => scene.camera.toView(scene.layout.spots.get(name)!)
  const middle = (scene: Scene) => {
    const [from, to] = [place(scene, 'a'), place(scene, 'b')]
    return along(from, bendOf(from, to), to, 0.5)
  }

  it('is a node, an edge, or nothing', () => {
    const scene = sceneOf()
    expect(targetAt(scene, place(scene, 'a'))).toEqual({ type: 'node', name: 'a' })
    expect(targetAt(scene, middle(scene))).toEqual({ type: 'edge', from: 'a', to: 'b' })
    expect(targetAt(scene, { x: 1, y: 1 })).toBeUndefined()
  })

  it('is an edge among hundreds too, where they are straight lines', () => {
    const few = sceneOf()
    const scene = { ...few, edges: Array.from({ length: maxCurved + 1 }, () => edge) }
    const [from, to] = [place(scene, 'a'), place(scene, 'b')]
    const on = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
    expect(targetAt(scene, on)).toEqual({ type: 'edge', from: 'a', to: 'b' })
    const far = Math.hypot(to.x - from.x, to.y - from.y)
    const beside = { x: on.x - ((to.y - from.y) / far) * 6, y: on.y + ((to.x - from.x) / far) * 6 }
    expect(targetAt(scene, beside)).toBeUndefined()
    // Beyond its end it is no more, though on the same line.
    const beyond = { x: to.x + ((to.x - from.x) / far) * 40, y: to.y + ((to.y - from.y) / far) * 40 }
    expect(targetAt(scene, beyond)).toBeUndefined()
  })

  it('is nothing that the filter has left out', () => {
    const scene = sceneOf(new Set(['b']))
    expect(targetAt(scene, place(scene, 'a'))).toBeUndefined()
    expect(targetAt(scene, middle(scene))).toBeUndefined()
    expect(targetAt(scene, place(scene, 'b'))).toEqual({ type: 'node', name: 'b' })
  })

  it('stays where it is when the view is zoomed around it', () => {
    const { camera, layout } = sceneOf()
    const before = camera.toView(layout.spots.get('a')!)
    camera.zoom(1.7, before.x, before.y)
    const after = camera.toView(layout.spots.get('a')!)
    expect(after.x).toBeCloseTo(before.x)
    expect(after.y).toBeCloseTo(before.y)
    expect(camera.toMap(after).x).toBeCloseTo(layout.spots.get('a')!.x)
  })
})

describe('places for labels', () => {
  it('are given once', () => {
    const places = new Places()
    expect(places.take(50, 50, 20, 10)).toBe(true)
    expect(places.take(60, 52, 20, 10)).toBe(false)
    expect(places.take(70, 50, 20, 10)).toBe(true)
  })
})
