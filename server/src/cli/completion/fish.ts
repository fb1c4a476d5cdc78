import type { Place, Word } from './words.js'

/** Completions for fish 3.0 and later. */
export function fishCompletion(places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path.length > 0)
  return `function __sealway_at --description 'Whether the command line is at this command of sealway'
  set -l line ''
  for word in (commandline -opc)[2..-1]
    switch "$line $word"
${paths
  .map(
    ({ path }) =>
      `      case ${quoted(`${path.slice(0, -1).join(' ')} ${path.at(-1)}`)}\n        set line ${quoted(path.join(' '))}`,
  )
  .join('\n')}
    end
  end
  test "$line" = "$argv[1]"
end
${places.flatMap(linesOf).join('\n')}
`
}

function linesOf({ path, words, flags }: Place): string[] {
  const start = `complete -c sealway -n ${quoted(`__sealway_at ${quoted(path.join(' '))}`)}`
  const about = ([, description]: Word): string => (description === '' ? '' : ` -d ${quoted(description)}`)
  return [
    ...words.map((word) => `${start} -f -a ${word[0]}${about(word)}`),
    ...flags.map((flag) => `${start} -l ${flag[0].replace(/^--/, '')}${about(flag)}`),
  ]
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
