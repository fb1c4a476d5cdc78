import type { Place } from './words.js'

/** A completion function for bash 3.2 and later. */
export function bashCompletion(places: readonly Place[]): string {
  return `_sealway() {
  local line='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$line $word" in
${places
  .filter(({ path }) => path.length > 0)
  .map(({ path }) => `      '${path.slice(0, -1).join(' ')} ${path.at(-1)}') line='${path.join(' ')}' ;;`)
  .join('\n')}
    esac
  done
  case "$line" in
${places
  .map(
    ({ path, words, flags }) =>
      `    '${path.join(' ')}') words='${[...words, ...flags].map(([text]) => text).join(' ')}' ;;`,
  )
  .join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sealway sealway
`
}
