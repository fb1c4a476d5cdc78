/**
 * For a process of the bench: carries out its parent's commands, one at a time over IPC, with one answer for each:
 * `{ answer }` or `{ error }`. It ends with its parent.
 *
 * @param {Record<string, (argument: any) => Promise<unknown>>} commands
 */
export function obey(commands) {
  process.on(
    'message',
    async (/** @type {{ id: number, command: string, argument: any }} */ { id, command, argument }) => {
      try {
        const carryOut = commands[command]
        if (carryOut === undefined) throw new Error(`there is no command ${command}`)
        process.send?.({ id, answer: await carryOut(argument) })
      } catch (error) {
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      }
    },
  )
  process.on('disconnect', () => process.exit(1))
  // Ctrl-C reaches the whole group; the parent ends its children in order.
  process.on('SIGINT', () => {})
}
