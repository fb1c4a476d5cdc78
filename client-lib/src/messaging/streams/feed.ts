import type { Source } from './source.js'
import type { Stream } from './stream.js'

/**
 * Sends what a source gives, as the other end takes it, and then the end.
 * @param failed the source threw, or gave what cannot be sent
 */
export async function feed(stream: Stream, source: Source, failed: (error: unknown) => void): Promise<void> {
  const { outbound } = stream
  try {
    while (!outbound.over) {
      const { done, value } = await source.next()
      if (done) {
        await outbound.end()
        return
      }
      await outbound.write(value)
    }
  } catch (error) {
    // What breaks the stream, or is wanted no more, is no failure of the source.
    if (!outbound.over) failed(error)
  }
}
