import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { configWarnings, effective, parseConfig } from '../../config.js'
import { isReadableByOthers, mediatorFile, nodeFile } from '../../settings/setup.js'
import { envFileOf, type Io } from '../io.js'
import { type Finding, fail, messageOf, ok, warn } from './finding.js'

const dayMs = 86_400_000
/** A payload key that is older is worth changing, days: half of what a year of full load may use (ENVELOPE, "Bounds"). */
const oldKeyDays = 180

/** Settings and the files of secrets. */
export async function checkSettings(io: Io): Promise<Finding[]> {
  const file = await envFileOf(io)
  const settings = effective(io.environment, file)
  const set = settings.filter(({ origin }) => origin !== 'default').length
  return [...validity(io, file, set), ...(await fileFindings(io, file !== undefined))]
}

function validity(io: Io, file: Parameters<typeof parseConfig>[1], set: number): Finding[] {
  const warnings = configWarnings(io.environment, file).map((text) =>
    warn(
      'settings',
      text,
      text.startsWith('shared mode') ? 'give nodes tokens: sealway token <name>' : 'sealway config print',
    ),
  )
  try {
    parseConfig(io.environment, file)
    return [ok('settings', `all are valid; ${set} of them are set`), ...warnings]
  } catch (error) {
    const advice = file ? 'sealway config print shows where each comes from' : 'sealway setup makes .env with secrets'
    return [fail('settings', messageOf(error), advice), ...warnings]
  }
}

async function fileFindings(io: Io, hasFile: boolean): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const name of [mediatorFile, nodeFile]) {
    if (await isReadableByOthers(io.folder, name)) {
      findings.push(warn('secrets', `${name} can be read by others on this machine`, `chmod 600 ${name}`))
    } else if (hasFile && name === mediatorFile) findings.push(ok('secrets', `${name} is readable by you alone`))
  }
  const made = await changedAt(join(io.folder, nodeFile))
  if (made === undefined) return findings
  // The mediator does not look at the key itself: no key that opens payloads is ever read here.
  const days = Math.floor((Date.now() - made) / dayMs)
  const text = `${nodeFile}, with the payload key, was changed ${days === 0 ? 'today' : `${days} days ago`}`
  findings.push(
    days > oldKeyDays
      ? warn('keys', text, 'change the payload key: docs/operations.md, "Rotating secrets"')
      : ok('keys', text),
  )
  return findings
}

const changedAt = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
