import { fieldValueForm, limits, tokenForm } from '@sealway/protocol'

export interface Read {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  /** Where its body begins and ends among the bytes. */
  readonly bodyAt: number
  readonly end: number
}

/** What the bytes of a connection begin with: a request; the beginning of one; or something that only Node's parser may judge. */
export type Reading = Read | 'incomplete' | 'other'

/** Longest request, head and body: of a longer one the body is better handed on as it comes, bytes. */
export const maxRequestBytes = 48 * 1024

/**
 * RFC 9112 s3, and of it what needs no second thought: origin form, methods that everybody knows, HTTP/1.1. Those of which
 * this is not said go to Node's parser, which knows all of it.
 */
const requestLine = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\/[!$-~]*) HTTP\/1\.1$/
/** With the blanks around it: Node's parser takes no tab there. */
const lengthForm = /^ *\d{1,6} *$/
/** What says that there is more to this request than a head and a body of a known length. */
const beyond: ReadonlySet<string> = new Set(['transfer-encoding', 'expect', 'upgrade', 'trailer', 'http2-settings'])
/** Node's parser reads the second, which no standard has, like the first. */
const connectionNames: ReadonlySet<string> = new Set(['connection', 'proxy-connection'])
/** Longest head, as for Node's parser, which refuses what is longer, bytes. */
const maxHeadBytes = 16 * 1024
/** With more headers it is refused anyway, and until its body is there every piece of it would have them read again. */
const maxLines = 1 + limits.maxHeaders
const blankLine = Buffer.from('\r\n\r\n')

/** Reads one request. Whatever is in any way doubtful is `other`: nothing that is taken here could be read in two ways. */
export function readRequest(bytes: Buffer, at: number): Reading {
  const headEnd = bytes.indexOf(blankLine, at)
  if ((headEnd < 0 ? bytes.length : headEnd) - at > maxHeadBytes) return 'other'
  if (headEnd < 0) return 'incomplete'
  const lines = bytes.toString('latin1', at, headEnd).split('\r\n', maxLines + 1)
  if (lines.length > maxLines) return 'other'
  const start = requestLine.exec(lines[0]!)
  if (!start) return 'other'
  const rawHeaders: string[] = []
  let bodyBytes = -1
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    const value = trimmed(line, colon + 1)
    if (!tokenForm.test(name) || !fieldValueForm.test(value)) return 'other'
    const lower = name.toLowerCase()
    if (lower === 'content-length') {
      if (bodyBytes >= 0 || !lengthForm.test(line.slice(colon + 1))) return 'other'
      bodyBytes = Number(value)
    } else if (connectionNames.has(lower) ? value.toLowerCase() !== 'keep-alive' : beyond.has(lower)) {
      return 'other'
    }
    rawHeaders.push(name, value)
  }
  const bodyAt = headEnd + blankLine.length
  const end = bodyAt + Math.max(bodyBytes, 0)
  if (end - at > maxRequestBytes) return 'other'
  if (end > bytes.length) return 'incomplete'
  return { method: start[1]!, url: start[2]!, rawHeaders, bodyAt, end }
}

/** Without the spaces and tabs around it (RFC 9112 s5); `trim` would take more. */
function trimmed(line: string, at: number): string {
  let from = at
  let to = line.length
  while (from < to && isBlank(line.charCodeAt(from))) from++
  while (to > from && isBlank(line.charCodeAt(to - 1))) to--
  return line.slice(from, to)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09
