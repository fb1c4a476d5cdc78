import type { Address } from '@sealway/protocol'

/** What outlives a mediator: who was ever registered. */
export class Records {
  private readonly epochs = new Map<string, number>()
  private readonly groups = new Set<string>()

  /** @returns how often this name was claimed, this time included */
  claim({ name, groups }: { readonly name: string; readonly groups: readonly string[] }): number {
    const epoch = (this.epochs.get(name) ?? 0) + 1
    this.epochs.set(name, epoch)
    for (const group of groups) this.groups.add(group)
    return epoch
  }

  /** Whether the target of an address was ever there. */
  know(address: Address): boolean {
    return address.type === 'node' ? this.epochs.has(address.name) : this.groups.has(address.group)
  }
}
