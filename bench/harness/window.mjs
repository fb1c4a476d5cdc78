/**
 * How much may be on its way between sender and receiver, the same for every system: enough that it is not what
 * limits (24 ms of traffic at 2.7 million messages of 128 B a second), little enough that no peer's buffer overflows
 * (Redis cuts a subscriber at 32 MiB, NATS at 64 MiB).
 */
const windowBytes = 16 * 1024 * 1024
const windowMessages = 65_536
/**
 * A message for many counts once per receiver. With the window of one receiver, 50 of them had 327 messages of 1 KiB
 * between them, and every system waited for it; with eight times as much (2.6 MiB for each of 50) none does.
 */
const maxFactor = 8

/** A burst: what the sender hands over before it gives the event loop a turn. */
const burstBytes = 1024 * 1024
const burstMessages = 1024

/**
 * @param {number} bytes size of a body
 * @param {number} deliveries how many receivers get each message
 * @returns deliveries that may be on their way
 */
export function windowFor(bytes, deliveries = 1) {
  return Math.min(deliveries, maxFactor) * Math.min(windowMessages, Math.floor(windowBytes / bytes))
}

/**
 * @param {number} bytes size of a body
 * @param {number} deliveries how many receivers get each message
 */
export function burstFor(bytes, deliveries) {
  return Math.max(
    1,
    Math.min(burstMessages, Math.floor(Math.min(burstBytes / bytes, windowFor(bytes, deliveries) / deliveries / 4))),
  )
}

/**
 * The receiver reports its count in these steps: often enough that a report is never what the sender waits for.
 *
 * @param {number} bytes size of a body
 * @param {number} deliveries how many receivers get each message
 */
export function reportStepFor(bytes, deliveries) {
  return Math.max(1, Math.floor(windowFor(bytes, deliveries) / 32))
}
