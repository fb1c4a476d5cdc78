/** What has come for one `for await` and was not read yet, in order and bounded. */
export class Backlog<Item> {
  private readonly items: Item[] = []
  private wake: (() => void) | undefined
  private ended = false

  constructor(private readonly maxItems: number) {}

  /** What is pushed now is dropped. */
  get full(): boolean {
    return this.items.length >= this.maxItems
  }

  push(item: Item): void {
    if (!this.full) this.items.push(item)
    this.wake?.()
  }

  /** What is here is still read, and nothing behind it is waited for. */
  end(): void {
    this.ended = true
    this.wake?.()
  }

  async next(): Promise<IteratorResult<Item>> {
    while (this.items.length === 0) {
      if (this.ended) return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
      this.wake = undefined
    }
    return { done: false, value: this.items.shift()! }
  }
}
