import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { SealwayError } from '@sealway/protocol'
import type { Log } from '../observe/log.js'
import { leaseMs, type MediatorRecord } from './mediators.js'
import type { Registry } from './registry.js'

const renewEveryMs = leaseMs / 4
/** How often a mediator that starts looks whether the slot is free, ms. */
const lookEveryMs = 250

/** The processes of this machine. */
export interface Processes {
  /** Id of this one. */
  readonly own: number
  isRunning(pid: number): boolean
}

export interface LeaseParts {
  readonly registry: Pick<Registry, 'takeSlot' | 'renewSlot' | 'leaveSlot'>
  readonly log: Log
  readonly instance: string
  readonly processes: Processes
  /** Another mediator has taken the database: this one must stop. */
  readonly lost: (error: SealwayError) => void
}

/**
 * The right to use the database, for one mediator at a time: two would mark one another's nodes offline. A mediator that
 * was killed is followed at once on the same machine, and within 5 s on another.
 */
export class Lease {
  private timer: NodeJS.Timeout | undefined
  private isHeld = false

  constructor(private readonly parts: LeaseParts) {}

  /** @param url for whoever is refused because of this one. @throws SealwayError `ANOTHER_MEDIATOR` */
  async take(url: string): Promise<void> {
    const { registry, instance, processes } = this.parts
    const own: MediatorRecord = { instance, host: hostHere(), pid: processes.own, url }
    const isGone = (other: MediatorRecord): boolean => hasEnded(other, processes)
    const until = performance.now() + leaseMs + lookEveryMs
    for (;;) {
      const holder = await registry.takeSlot(own, isGone)
      if (!holder) break
      if (performance.now() >= until) throw anotherMediator(holder)
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
    }
    this.isHeld = true
    this.timer = setInterval(() => void this.renew(), renewEveryMs)
    this.timer.unref()
  }

  private async renew(): Promise<void> {
    const { registry, instance, log, lost } = this.parts
    try {
      if ((await registry.renewSlot(instance)) || !this.isHeld) return
    } catch (error) {
      // While the database is away, nobody else can take it either.
      log.warn({ err: error }, 'the lease on the database was not renewed')
      return
    }
    this.stop()
    lost(new SealwayError('ANOTHER_MEDIATOR', { message: 'another mediator has taken over the database of this one' }))
  }

  private stop(): void {
    this.isHeld = false
    clearInterval(this.timer)
  }

  /** Gives it back, so that the next mediator need not wait. */
  async leave(): Promise<void> {
    if (!this.isHeld) return
    this.stop()
    const { registry, instance, log } = this.parts
    await registry
      .leaveSlot(instance)
      .catch((error: unknown) => log.warn({ err: error }, 'the lease on the database was not given back'))
  }
}

/** Process ids mean something in one namespace of one machine only: a container has its own. */
function hostHere(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

/** Whether a mediator has ended for certain: it ran here, and its process is no more, or has become this one. */
const hasEnded = ({ host, pid }: MediatorRecord, { own, isRunning }: Processes): boolean =>
  host === hostHere() && (pid === own || !isRunning(pid))

const anotherMediator = ({ host, pid, url }: MediatorRecord): SealwayError =>
  new SealwayError('ANOTHER_MEDIATOR', {
    message:
      `the mediator at ${url} (process ${pid} on ${host.split(' ')[0]}) uses this database: stop it first, or give this ` +
      'one a database of its own (DATABASE_URL)',
  })
