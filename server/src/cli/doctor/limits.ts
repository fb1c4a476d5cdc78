import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { effective } from '../../config.js'
import { parseSize } from '../../settings/units.js'
import { envFileOf, type Io } from '../io.js'
import { bytes } from '../snapshot.js'
import { type Finding, ok, warn } from './finding.js'

/** One link is one descriptor; below this a middling fleet runs into it. */
const fewFiles = 4_096

/** What the machine allows. */
export async function checkLimits(io: Io): Promise<Finding[]> {
  const files = await openFiles()
  return [...(await budgetFinding(io)), ...(files === undefined ? [] : [filesFinding(files)])]
}

async function budgetFinding(io: Io): Promise<Finding[]> {
  const setting = effective(io.environment, await envFileOf(io)).find(({ name }) => name === 'LIMIT_BUDGET')
  const budget = setting === undefined ? undefined : parseSize(setting.value)
  if (budget === undefined) return []
  const memory = totalmem()
  const text = `queues may take ${bytes(budget)} of ${bytes(memory)} of memory`
  if (budget <= memory / 2) return [ok('limits', text)]
  return [warn('limits', text, 'set LIMIT_BUDGET to half of the memory or less, or the system ends the mediator first')]
}

/** Where the system says it (Linux); what a process that is started from here gets. */
async function openFiles(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

function filesFinding(files: number): Finding {
  const text = `a process may have ${files === Number.POSITIVE_INFINITY ? 'any number of' : files} files and links open`
  return files >= fewFiles
    ? ok('limits', text)
    : warn('limits', text, 'ulimit -n 65536, or LimitNOFILE in the unit of systemd')
}
