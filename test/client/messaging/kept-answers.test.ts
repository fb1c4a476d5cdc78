import { FrameType } from '@sealway/protocol'
import { KeptAnswers } from '../../../client-lib/src/messaging/kept-answers.js'
import { FlowOutcomes, Outcome } from '../../../client-lib/src/messaging/outcomes.js'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

const mebibyte = 1024 * 1024
const keptBy = (node: Node): KeptAnswers =>
  (node as unknown as { messenger: { answers: { kept: KeptAnswers } } }).messenger.answers.kept

describe('KeptAnswers', () => {
  const answered = (flow: FlowOutcomes, counter: number, bytes: Buffer | undefined) => {
    const outcome = new Outcome('alice', 'default', counter)
    flow.add(counter, outcome)
    outcome.answered(0, { encoding: 1, bytes })
    return outcome
  }

  it('gives up the oldest answers beyond 16 MiB, and still knows that they were given', () => {
    const time = new VirtualTime()
    const kept = new KeptAnswers(time, () => time.now)
    const flow = new FlowOutcomes()
    const outcomes = Array.from({ length: 40 }, (_, i) => answered(flow, i, Buffer.alloc(mebibyte)))
    for (const outcome of outcomes) kept.add(outcome, time.now + 10_000)
    expect(kept.bytes).toBeLessThanOrEqual(16 * mebibyte)
    expect(outcomes.map(({ isGone }) => isGone)).toEqual(outcomes.map((_, i) => i < 25))
    expect([kept.size, flow.size]).toEqual([40, 40])
    kept.close()
  })

  it('bounds answers without bytes too', () => {
    const time = new VirtualTime()
    const kept = new KeptAnswers(time, () => time.now)
    for (let i = 0; i < 100_000; i++) {
      const flow = new FlowOutcomes()
      kept.add(answered(flow, 0, undefined), time.now + 10_000)
    }
    expect(kept.bytes).toBeLessThanOrEqual(16 * mebibyte)
    expect(kept.size).toBeLessThanOrEqual(65_536)
    kept.close()
  })

  it('forgets answers, and frames whose answers are all forgotten, when their senders have stopped waiting', async () => {
    const time = new VirtualTime()
    const kept = new KeptAnswers(time, () => time.now)
    const flow = new FlowOutcomes()
    kept.add(answered(flow, 0, Buffer.alloc(10)), time.now + 1_000)
    kept.add(answered(flow, 1, undefined), time.now + 1_000)
    kept.add(answered(flow, 1, Buffer.alloc(10)), time.now + 30_000)
    for (let i = 0; i < 3; i++) await time.advance(5_000)
    expect([kept.size, flow.size]).toEqual([1, 1])
    for (let i = 0; i < 6; i++) await time.advance(5_000)
    expect([kept.size, kept.bytes, flow.size]).toEqual([0, 0, 0])
  })
})

describe('a node that answers idempotent calls', () => {
  let net: Net
  let time: VirtualTime
  let alice: Node
  let bob: Node
  beforeEach(async () => {
    time = new VirtualTime()
    net = new Net({ time })
    ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  })
  afterEach(() => net.close())

  it('keeps at most 16 MiB of answers, and none when their callers wait no longer', async () => {
    bob.on('large', () => 'x'.repeat(200_000))
    for (let i = 0; i < 150; i++) await alice.call('bob', 'large', i, { idempotent: true })
    expect(keptBy(bob).bytes).toBeGreaterThan(15 * mebibyte)
    expect(keptBy(bob).bytes).toBeLessThanOrEqual(16 * mebibyte)
    for (let i = 0; i < 9; i++) await time.advance(5_000)
    expect([keptBy(bob).size, keptBy(bob).bytes]).toEqual([0, 0])
  })

  it('does not run a call again whose answer was given up, and says that it ran', async () => {
    let runs = 0
    bob.on('large', ({ body }) => {
      runs++
      return body === 0 ? 'small' : 'x'.repeat(200_000)
    })
    let lost = 0
    net.tamper = (frame, direction, node) =>
      node === 'bob' && direction === 'up' && frame[4] === FrameType.send && lost++ === 0 ? [] : [frame]
    const failed = rejection(alice.call('bob', 'large', 0, { idempotent: true, timeout: 20_000 }))
    await until(() => lost === 1, 'its answer is lost on the way')
    for (let i = 1; i <= 100; i++) await alice.call('bob', 'large', i, { idempotent: true, timeout: 20_000 })
    await time.advance(1_500)
    await turns()
    expect(await failed).toMatchObject({ code: 'BUSY', outcome: 'unknown' })
    expect(runs).toBe(101)
  })
})
