import { SealwayError } from '@sealway/protocol'

/** What can go wrong on the way. Each is a probability, 0 to 1, for one sealed frame, unless it says otherwise. */
export interface Faults {
  /** It is lost on its way to its receiver. */
  readonly drop?: number
  /** Its receiver gets it once more, up to `spread` later. */
  readonly duplicate?: number
  /** Others overtake it: it comes up to `spread` later. */
  readonly reorder?: number
  /** How late what is duplicated or overtaken may come, ms; 50 unless given. */
  readonly spread?: number
  /** The link it is on breaks, and it with it. */
  readonly disconnect?: number
  /** How long everything on a link takes in each direction, in its order; ms, or from and to. */
  readonly delay?: number | readonly [from: number, to: number]
}

export type Rates = Required<Omit<Faults, 'delay'>> & { readonly delay: readonly [number, number] }

export const noFaults: Rates = { drop: 0, duplicate: 0, reorder: 0, spread: 50, disconnect: 0, delay: [0, 0] }

/** @throws SealwayError `INVALID_ARGUMENT` */
export function readFaults(faults: Faults): Rates {
  const { delay = 0, ...given } = faults
  const rates: Rates = { ...noFaults, ...given, delay: typeof delay === 'number' ? [delay, delay] : delay }
  for (const [name, value] of Object.entries(rates)) {
    if (!(name in noFaults)) throw invalid(`there is no fault ${name}; there are ${Object.keys(noFaults).join(', ')}`)
    const highest = name === 'delay' || name === 'spread' ? Number.POSITIVE_INFINITY : 1
    for (const one of [value].flat()) {
      if (!(one >= 0 && one <= highest)) throw invalid(`${name} must be 0 to ${highest}, not ${String(one)}`)
    }
  }
  return rates
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
