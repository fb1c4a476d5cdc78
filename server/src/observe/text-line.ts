/**
 * A line of JSON as people read it: `12:03:11 info  node connected name="orders-1"`.
 * Values stay JSON, so that a name from outside cannot forge a line.
 */
export function textLine(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json) as { time: string; level: string; msg?: string }
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${msg ?? ''}${rest.join('')}\n`
}
