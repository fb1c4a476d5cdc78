import type { Place, Word } from './words.js'

/**
 * A completion function for zsh, which works both as the file `_sealway` in a folder of `fpath` and when it is sourced.
 * Native, because zsh's emulation of bash completion does not know bash's slices of arrays.
 */
export function zshCompletion(places: readonly Place[]): string {
  return `#compdef sealway
_sealway() {
  local line='' word
  local -a choices flags
  for word in "\${(@)words[2,CURRENT-1]}"; do
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
      `    '${path.join(' ')}')\n      choices=(${words.map(described).join(' ')})\n      flags=(${flags.map(described).join(' ')})\n      ;;`,
  )
  .join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option flags
  elif ((\${#choices})); then
    _describe command choices
  else
    _files
  fi
}
if [[ "\${funcstack[1]}" == _sealway ]]; then
  _sealway "$@"
else
  (($+functions[compdef])) || { autoload -Uz compinit && compinit }
  compdef _sealway sealway
fi
`
}

/** `word:description` in single quotes, as _describe takes it. */
const described = ([text, description]: Word): string => {
  const shown = description === '' ? text : `${text.replaceAll(':', '\\:')}:${description}`
  return `'${shown.replaceAll("'", "'\\''")}'`
}
