/**
 * How long a test waits for what must come, ms: no measure of speed, only the end of what hangs. A third of jest's own
 * limit, so that a wait which fails says what it waited for, also where one or two went before it.
 */
export const patienceMs = 60_000
