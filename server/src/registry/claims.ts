import { type NodeName, nameOfProcess, SealwayError } from '@sealway/protocol'
import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import type { AdmittedClaim } from './admit.js'
import { attach, type Wanted } from './attach.js'
import type { Settled } from './commit-queue.js'
import { nameFor, type Random } from './nameless.js'
import { attachedTo, chunks } from './rows.js'

export interface Claimed {
  readonly name: NodeName
  readonly epoch: number
  readonly id: number
}

interface Standing {
  readonly id: number
  readonly name: string
  readonly epoch: number
}

/** `made`: the name is ours, not the node's, so it must be nobody else's. */
type Named = AdmittedClaim & { readonly name: NodeName; readonly made: boolean }

const nameTries = 20
/** Claims after which other work of the event loop gets its turn: about 5 ms on SQLite. */
const yieldEvery = 64

/**
 * Claims of different names, together. Where nothing about a node changed, it costs one UPDATE and its share of three
 * SELECTs. `again`: somebody else claimed the name between our reading and our writing.
 */
export async function claimAll(
  trx: Knex.Transaction,
  db: Database,
  random: Random,
  claims: readonly AdmittedClaim[],
): Promise<Settled<Claimed>[]> {
  const standing = new Map<string, Standing>()
  const names = await nameAll(trx, random, claims, standing)
  const named = claims.flatMap((claim, i): Named[] => {
    const name = names[i]
    return name === undefined ? [] : [{ ...claim, name, made: claim.name === undefined }]
  })
  await create(trx, db, named, standing)
  const attached = await attachedTo(
    trx,
    [...standing.values()].map((row) => row.id),
  )
  const wanted: Wanted[] = []
  const settled = new Map<NodeName, Settled<Claimed>>()
  // Rows are locked in one order everywhere, so that two batches wait for each other instead of deadlocking.
  const inOrder = [...named].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const [i, claim] of inOrder.entries()) {
    if (i % yieldEvery === yieldEvery - 1) await new Promise((resolve) => setImmediate(resolve))
    const row = standing.get(claim.name)
    const outcome = await claimOne(trx, db, claim, row)
    settled.set(claim.name, outcome)
    if (row && outcome !== 'again' && 'done' in outcome) {
      wanted.push({ id: row.id, current: attached.get(row.id)!, groups: claim.groups, endpoints: claim.endpoints })
    }
  }
  await attach(trx, db, wanted)
  return names.map((name, i) => (name === undefined ? { failed: noName(claims[i]!) } : settled.get(name)!))
}

async function claimOne(
  trx: Knex.Transaction,
  db: Database,
  claim: Named,
  row: Standing | undefined,
): Promise<Settled<Claimed>> {
  const epoch = row?.epoch ?? 0
  if (claim.expectedEpoch !== undefined && claim.expectedEpoch !== epoch) return { failed: conflict(claim, epoch) }
  // Removed since we made it; or another mediator made the same name up at the same moment.
  if (!row || (claim.made && epoch > 0)) return 'again'
  const changed = await trx('nodes')
    .where({ id: row.id, epoch })
    .update({
      epoch: epoch + 1,
      online: 1,
      instance: claim.instance,
      transport: claim.transport,
      address: claim.address,
      client: claim.client,
      meta: claim.meta,
      since: trx.raw(db.now),
      last_seen: trx.raw(db.now),
    })
  if (changed === 1) return { done: { name: claim.name, epoch: epoch + 1, id: row.id } }
  return claim.expectedEpoch === undefined ? 'again' : { failed: conflict(claim, epoch + 1) }
}

/** Reads what stands under each name into `standing`, and finds names for those that brought none; undefined where none is free. */
async function nameAll(
  trx: Knex.Transaction,
  random: Random,
  claims: readonly AdmittedClaim[],
  standing: Map<string, Standing>,
): Promise<(NodeName | undefined)[]> {
  const names = claims.map((claim) => claim.name)
  const own = new Set<string>(names.filter((name) => name !== undefined))
  await readStanding(trx, [...own], standing)
  const given = new Set<string>(own)
  for (let i = 0; i < nameTries && names.includes(undefined); i++) {
    const proposed = new Map<number, NodeName>()
    for (const [at, claim] of claims.entries()) {
      if (names[at] !== undefined) continue
      const name = nameFor(claim.namedAfter, random)
      if (given.has(name)) continue
      given.add(name)
      proposed.set(at, name)
    }
    const taken = new Map<string, Standing>()
    await readStanding(trx, [...proposed.values()], taken)
    for (const [at, name] of proposed) if (!taken.has(name)) names[at] = name
  }
  return names
}

/** Makes rows, never claimed so far, for names that have none. */
async function create(
  trx: Knex.Transaction,
  db: Database,
  claims: readonly Named[],
  standing: Map<string, Standing>,
): Promise<void> {
  const missing = claims
    .filter((claim) => !standing.has(claim.name) && (claim.expectedEpoch ?? 0) === 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const part of chunks(missing, 250)) {
    await trx('nodes')
      .insert(
        part.map((claim) => ({ name: claim.name, nameless: isNameless(claim) ? 1 : 0, created_at: trx.raw(db.now) })),
      )
      .onConflict('name')
      .ignore()
  }
  await readStanding(
    trx,
    missing.map(({ name }) => name),
    standing,
  )
}

/** Nobody chose this name: it came out of the instance, or of us. */
const isNameless = ({ name, made, namedAfter, instance }: Named): boolean =>
  made || name === nameOfProcess(namedAfter, instance)

async function readStanding(
  trx: Knex.Transaction,
  names: readonly string[],
  standing: Map<string, Standing>,
): Promise<void> {
  for (const part of chunks(names)) {
    // Locked where the database locks rows: what is compared and swapped below then stays as it was read.
    const rows: Standing[] = await trx('nodes').whereIn('name', part).forUpdate().select('id', 'name', 'epoch')
    for (const row of rows) standing.set(row.name, row)
  }
}

const noName = (claim: AdmittedClaim) =>
  new SealwayError('CONFLICT', {
    message: `no free name was found after group ${claim.namedAfter} in ${nameTries} tries`,
    outcome: 'not-delivered',
  })

const conflict = (claim: Named, epoch: number) =>
  new SealwayError('CONFLICT', {
    message: `${claim.name} is at epoch ${epoch}, not ${claim.expectedEpoch}: somebody else claimed it`,
    target: claim.name,
    outcome: 'not-delivered',
  })
