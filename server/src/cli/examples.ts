import type { Command } from 'commander'

/** By the words that lead to a command. */
const examples: ReadonlyMap<string, readonly string[]> = new Map([
  ['start', ['sealway start', 'PORT=5000 ADMIN_PORT=5001 sealway start', 'sealway start --json > where.json']],
  ['setup', ['sealway setup', 'PORT=5000 sealway setup --json']],
  ['migrate', ['sealway migrate', 'DATABASE_URL=mysql://user:password@db:3306/sealway sealway migrate --json']],
  ['fixtures', ['sealway fixtures', 'DATABASE_URL=sqlite:./try.sqlite sealway fixtures']],
  ['config', ['sealway config print', 'sealway config template > .env.local']],
  ['config print', ['sealway config print', 'LIMIT_BUDGET=2GiB sealway config print --json']],
  ['config template', ['sealway config template > .env.local']],
  [
    'token',
    [
      'sealway token orders-1 --group orders',
      'sealway token prometheus --admin read --life 24h',
      'sealway token orders-1 --group orders --json',
    ],
  ],
  [
    'nodes',
    ['sealway nodes', 'sealway nodes --group orders --online', 'sealway nodes --json --url https://sealway.example'],
  ],
  ['groups', ['sealway groups', 'sealway groups --json']],
  ['policies list', ['sealway policies list', 'sealway policies list --json']],
  [
    'policies set',
    [
      'sealway policies set any:orders --timeout 2s --retries 3',
      'sealway policies set \'*\' \'{"breaker":{"failures":5}}\'',
    ],
  ],
  ['policies remove', ['sealway policies remove any:orders', 'sealway policies remove any:orders --action quote']],
  ['top', ['sealway top', 'sealway top --once', "sealway top --once --json | jq '.nodes[].name'"]],
  [
    'tail',
    [
      "sealway tail --from 'orders-*'",
      'sealway tail --group orders --outcome BUSY',
      'sealway tail --to billing-1 --json --limit 100 > frames.jsonl',
    ],
  ],
  [
    'doctor',
    [
      'sealway doctor',
      'sealway doctor --strict --json',
      'sealway doctor --url https://operators.example --token $TOKEN',
    ],
  ],
  [
    'completion',
    [
      'source <(sealway completion bash)',
      'sealway completion zsh > ~/.zfunc/_sealway',
      'sealway completion fish > ~/.config/fish/completions/sealway.fish',
    ],
  ],
])

/** Puts examples under the help of each command that has some here. */
export function addExamples(command: Command, path: readonly string[] = []): void {
  for (const child of command.commands) {
    const words = [...path, child.name()]
    const lines = examples.get(words.join(' '))
    if (lines) child.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)
    addExamples(child, words)
  }
}
