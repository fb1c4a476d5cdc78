import type { Setting } from './setting.js'
import { allSettings } from './table.js'

/** Text columns of the wrapped comments. */
const width = 100

const head = `# Settings of a Sealway mediator: every one there is, with unit and default.
# The first \`sealway start\` copies this file to .env, with fresh secrets. Change .env, never this file;
# the environment wins over .env. \`sealway config print\` shows what is in effect and where it came from.
# A payload key (mk1_...) does not belong here: the mediator refuses to start with one. It is in .env.node.
`

/** The text of \`.env.local\`: generated from the table, and compared with the file by a test. */
export const envTemplate = (): string => `${head}\n${allSettings.map(entry).join('\n')}`

function entry(setting: Setting<unknown>): string {
  const fallback = setting.secret ? 'none: generated on the first start' : `default: ${setting.fallback || 'off'}`
  const comment = wrap(`${setting.meaning} [${setting.unit}; ${fallback}]`)
  return `${comment}\n${setting.secret ? '' : '# '}${setting.name}=${setting.secret ? '' : setting.fallback}\n`
}

function wrap(text: string): string {
  const lines = ['#']
  for (const word of text.split(' ')) {
    if (lines.at(-1)!.length + 1 + word.length > width) lines.push('#')
    lines[lines.length - 1] += ` ${word}`
  }
  return lines.join('\n')
}
