/**
 * How much may be on its way between sender and receiver, the same for every system: enough that it is not what
 * limits (24 ms of traffic at 2.7 million messages of 128 B a second), little enough that no peer's buffer overflows
 * (Redis cuts a subscriber at 32 MiB, NATS at 64 MiB).
 */
const windowBytes = 16 * 1024 * 1024
const windowMessages = 65_536

/** A burst: what the sender hands over before it gives the event loop a turn. */
const burstBytes = 1024 * 1024
const burstMessages = 1024

/** @param {number} bytes size of a body */
export function windowFor(bytes) {
  return Math.min(windowMessages, Math.floor(windowBytes / bytes))
}

/**
 * @param {number} bytes size of a body
 * @param {number} deliveries how many receivers get each message
 */
export function burstFor(bytes, deliveries) {
  return Math.max(
    1,
    Math.min(burstMessages, Math.floor(Math.min(burstBytes / bytes, windowFor(bytes) / deliveries / 4))),
  )
}

/**
 * The receiver reports its count in these steps: often enough that a report is never what the sender waits for.
 *
 * @param {number} bytes size of a body
 */
export function reportStepFor(bytes) {
  return Math.max(1, Math.floor(windowFor(bytes) / 32))
}
