/** Whether this is `make test-full`: the counts of docs/reliability.md, where the gate runs smaller ones of the same kind. */
export const fullRun = process.env.TEST_FULL === '1'

/** A count of the full run, or the smaller one of the gate. */
export const countOf = (full: number, gate: number): number => (fullRun ? full : gate)
