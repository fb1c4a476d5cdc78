/** Longer than any message a person reads, and far below a frame. */
const maxCharacters = 1_000

/** What to say of whatever was thrown: text, undefined, an object whose getters throw. Never throws itself. */
export function messageOf(thrown: unknown): string {
  try {
    const text = thrown instanceof Error && typeof thrown.message === 'string' ? thrown.message : String(thrown)
    return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}...` : text
  } catch {
    return 'it threw something without a text form'
  }
}
