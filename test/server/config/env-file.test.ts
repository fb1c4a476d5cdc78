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

  it.each([
    ['A = b', 'b'],
    ['  A\t=\tb  ', 'b'],
    ['A = "b c"', 'b c'],
    ["export A = 'b'", 'b'],
    ['A: b', 'b'],
    ['A=`it\'s "b"`', 'it\'s "b"'],
    ["A='it's'", "it's"],
    ['A="b" # said "c"', 'b'],
    ['A = "b\nc=d\ne"', 'b\nc=d\ne'],
    ['A="b\r\n# no comment\r\nc"', 'b\n# no comment\nc'],
    ['A="say \\"b\nc\\""', 'say \\"b\nc\\"'],
    ['A="b\\nc"', 'b\nc'],
    ['A= # nothing', ''],
  ])('takes the entry %j as dotenv does', (entry, value) => {
    expect(parse(`${entry}\nB=2\n`)).toEqual({
      values: new Map([
        ['A', value],
        ['B', '2'],
      ]),
      problems: [],
      warnings: [],
    })
  })

  it('counts lines on behind a value of several lines', () => {
    expect(parse('A="1\n2\n3"\nbroken\n').problems).toEqual(['.env line 4 is not NAME=value'])
  })

  it('warns where a # without a space before it cuts off the end of a value', () => {
    expect(parse('A=secret#tail\nB=2 # comment\nC="3#4"\nD=#5\n').warnings).toEqual([
      '.env line 1 ends the value of A at the #: put the value in quotes if the # belongs to it',
      '.env line 4 ends the value of D at the #: put the value in quotes if the # belongs to it',
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
    ['=4567', 'line 2 is not NAME=value'],
    ['PORT:4567', 'line 2 is not NAME=value'],
    ['A="closed" and more', 'line 2 has text behind the closing quote of A'],
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
