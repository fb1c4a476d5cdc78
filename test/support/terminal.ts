import { spawn } from 'node:child_process'

/** A program on a terminal of its own, to which a test types. */
export interface Terminal {
  /** Everything that was shown, without colours and movements of the cursor. */
  shown(): string
  type(text: string): void
  /** Resolves when this is shown, counted from the last call of `type`. Rejects when the program ends before. */
  shows(what: RegExp): Promise<void>
  /** Ends the program and waits for it. */
  close(): Promise<void>
}

/** CSI and OSC sequences, and the changes of mode and character set that shells make. */
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>78M]|[\x07\x0e\x0f]/g

/**
 * Starts a program with `script` (util-linux, macOS), which gives it a terminal.
 * @param script the path of `script`
 */
export function openTerminal(
  script: string,
  command: readonly string[],
  options: { readonly cwd: string; readonly env: { readonly [name: string]: string } },
): Terminal {
  const args =
    process.platform === 'darwin' ? ['-q', '/dev/null', ...command] : ['-qfc', command.join(' '), '/dev/null']
  const child = spawn(script, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let from = 0
  const looks = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const look of [...looks]) look()
    })
  }
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const shown = (start: number) => output.slice(start).replace(controls, '')
  return {
    shown: () => shown(0),
    type(text) {
      from = output.length
      child.stdin.write(text)
    },
    shows(what) {
      const start = from
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!what.test(shown(start))) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
        void ended.then(() => reject(new Error(`${command[0]} ended without showing ${what}:\n${shown(0)}`)))
      })
    },
    close() {
      child.stdin.end()
      child.kill()
      return ended
    },
  }
}
