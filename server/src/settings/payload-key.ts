import { SealwayError } from '@sealway/protocol'

/** ENVELOPE.md, "Keys": the text form of a payload key. */
const payloadKey = /mk1_[A-Za-z0-9_-]{43}/
const payloadKeyName = /^PROTECTED_AES256/

/**
 * The mediator is blind by having no key. One that lies in its environment could end in a dump, a log or a defect,
 * so its mere presence is refused, whatever the variable is called.
 * @throws SealwayError `KEY_IN_MEDIATOR`, naming the variables and where they are, never the value
 */
export function refusePayloadKeys(
  sources: readonly { readonly where: string; readonly values: Iterable<readonly [string, string | undefined]> }[],
): void {
  const found: string[] = []
  for (const { where, values } of sources) {
    for (const [name, value] of values) {
      if (value && (payloadKeyName.test(name) || payloadKey.test(value)))
        found.push(`${JSON.stringify(name)} in ${where}`)
    }
  }
  if (found.length === 0) return
  throw new SealwayError('KEY_IN_MEDIATOR', {
    message:
      `the mediator was given a payload key (${found.join(', ')}) and does not start: it must not be able to read ` +
      'what it relays. Remove it here; payload keys belong to nodes only (.env.node)',
  })
}
