import { parseEnvFile } from '../../../server/src/settings/env-file'

const parse = (text: string) => parseEnvFile({ name: '.env', text })

describe('an .env file', () => {
  it('is read as dotenv reads it: quotes, comments, export, line ends of Windows, a byte order mark', () => {
    const { values, problems } = parse(
      '\uFEFF# head\r\nA=1\r\n\r\nB="two words" # why\r\nexport C=\'x#y\'\r\nD=\r\nE=a=b\r\n',
    )
    expect(problems).toEqual([])
    expect([...values]).toEqual([
      ['A', '1'],
      ['B', 'two words'],
      ['C', 'x#y'],
      ['D', ''],
      ['E', 'a=b'],
    ])
  })

  it('may hold a quoted value of several lines', () => {
    const { values, problems } = parse('A="one\nnot a line\ntwo"\nB=2\n')
    expect(problems).toEqual([])
    expect(values.get('A')).toBe('one\nnot a line\ntwo')
    expect(values.get('B')).toBe('2')
  })

  it.each([
    ['PORT', 'line 2 is not NAME=value'],
    ['PORT 4567', 'line 2 is not NAME=value'],
    ['PORT: 4567', 'line 2 is not NAME=value'],
    ['=4567', 'line 2 is not NAME=value'],
    ['2PORT=1', 'line 2 is not NAME=value'],
    ['<<<<<<< HEAD', 'line 2 is not NAME=value'],
    ['A="never closed', 'line 2 opens a quote that is never closed'],
    ['FIRST=2', 'line 2 sets FIRST again, after line 1'],
  ])('with the line %j is refused by its number', (line, expected) => {
    expect(parse(`FIRST=1\n${line}\nLAST=1\n`).problems).toEqual([`.env ${expected}`])
  })

  it('is refused without showing the broken line, which may be a secret', () => {
    expect(parse('sekrit-value-pasted-here').problems.join()).not.toContain('sekrit')
  })
})
