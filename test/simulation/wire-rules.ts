import { decodeCredit, decodeJson, FrameType, headerBytes, readU32, type Welcome } from '@sealway/protocol'

interface Window {
  bytes: number
  frames: number
}

/** Watches what nodes write, and says which rules of SPEC.md they break: routes opened before use, credit kept. */
export class WireRules {
  readonly violations: string[] = []
  private readonly links = new Map<string, { welcome: Welcome | undefined; readonly routes: Map<number, Window> }>()

  look(frame: Uint8Array, node: string): void {
    const route = readU32(frame, 8)
    const body = frame.subarray(headerBytes)
    if (frame[4] === FrameType.hello) {
      this.links.set(node, { welcome: undefined, routes: new Map() })
      return
    }
    const link = this.links.get(node)
    if (!link) return
    const window = link.routes.get(route)
    switch (frame[4]) {
      case FrameType.welcome:
        link.welcome = decodeJson(body) as Welcome
        return
      case FrameType.open: {
        const { routeWindowBytes, routeWindowFrames } = link.welcome!.limits
        if (window) this.violations.push(`${node} opened its route ${route} twice`)
        link.routes.set(route, { bytes: routeWindowBytes, frames: routeWindowFrames })
        return
      }
      case FrameType.credit: {
        const { bytes, frames } = decodeCredit(body)
        if (!window) return
        window.bytes += bytes
        window.frames += frames
        return
      }
      case FrameType.send:
        if (!window) this.violations.push(`${node} sent on route ${route}, which it had not opened`)
        else if (window.bytes <= 0 || window.frames <= 0)
          this.violations.push(`${node} sent on route ${route} without credit`)
        else {
          window.bytes -= frame.length
          window.frames--
        }
    }
  }
}
