import { isCode, meaningOf } from '@sealway/protocol'
import type { LiveHealth, LiveNode } from '../../live/events.js'
import { type Finding, fail, ok, warn } from './finding.js'

/** The part of the frames that may fail before it is more than a warning: a node that restarts costs a few. */
const failingPart = 0.01
/** Senders that are named. */
const maxNamed = 5

/** What became of the frames of one second, and which nodes send what is not delivered. */
export function trafficFindings(
  { framesPerSecond, errorsPerSecond }: LiveHealth,
  nodes: readonly LiveNode[],
): Finding[] {
  const all = framesPerSecond + errorsPerSecond
  if (errorsPerSecond === 0) {
    return [
      ok('traffic', all === 0 ? 'no frame passed while this looked' : `all of ${all} frames a second are delivered`),
    ]
  }
  const senders = nodes
    .filter((node) => node.errorsPerSecond > 0)
    .sort((a, b) => b.errorsPerSecond - a.errorsPerSecond)
    .slice(0, maxNamed)
  const who = senders.map(({ name, errorsPerSecond: errors, lastErrors }) => {
    const last = lastErrors[0]
    return `${name} (${errors}/s${last ? `, ${last.code} to ${last.to}` : ''})`
  })
  const code = senders[0]?.lastErrors[0]?.code
  const text = `${errorsPerSecond} of ${all} frames a second are not delivered${who.length > 0 ? `: ${who.join(', ')}` : ''}`
  const advice =
    code !== undefined && isCode(code)
      ? `${code}: ${meaningOf(code)}; see docs/errors.md, and sealway tail --outcome ${code}`
      : 'sealway top --sort errors shows between which nodes'
  return [errorsPerSecond >= failingPart * all ? fail('traffic', text, advice) : warn('traffic', text, advice)]
}
