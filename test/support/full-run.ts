/** `make test-full` runs the full counts of docs/reliability.md; the gate runs smaller ones of the same kind. */
export const fullRun = process.env.TEST_FULL === '1'
