import { describe, expect, it } from 'vitest'
import { isBadLine, type ParsedLine, parseLines } from './parse.ts'

function parseOne(text: string): ParsedLine {
  const [line, ...more] = parseLines(text)
  if (line === undefined || more.length > 0) throw new Error(`not one line: ${text}`)
  if (isBadLine(line)) throw new Error(`column ${line.column}: ${line.reason}`)
  return line
}

describe('parseLines', () => {
  const names: Array<[string, string, string, Array<[string, string]>, string[]]> = [
    ['plain', 'm,k=v f=1', 'm', [['k', 'v']], ['f']],
    ['no tags', 'm f=1,g=2', 'm', [], ['f', 'g']],
    ['escaped delimiters', 'a\\,b\\ c,k\\=\\,=v\\ \\= f\\ \\,\\==1', 'a,b c', [['k=,', 'v =']], ['f ,=']],
    ['an equals sign needs no escape in a measurement', 'a=b f=1', 'a=b', [], ['f']],
    ['and keeps its backslash there', 'a\\=b f=1', 'a\\=b', [], ['f']],
    ['quotes mean nothing in names', 'm",k"="v f"=1', 'm"', [['k"', '"v']], ['f"']],
    ['but have an escape in a field name', 'm f\\"=1', 'm', [], ['f"']],
    ['other backslashes stand for themselves', 'C:\\temp,k\\a=v\\b f\\c=1', 'C:\\temp', [['k\\a', 'v\\b']], ['f\\c']],
    ['two before a delimiter are one, and the delimiter is text', 'a\\\\ b f=1', 'a\\ b', [], ['f']],
    ['blanks around', ' \t m,k=v \t f=1  ', 'm', [['k', 'v']], ['f']],
    ['a line feed after a backslash', 'm,k=v\\\nw f=1', 'm', [['k', 'v\\\nw']], ['f']],
    ['emoji', '🚀,☂=é 中=1', '🚀', [['☂', 'é']], ['中']],
  ]
  it.each(names)('names: %s', (_name, text, measurement, tags, fields) => {
    const line = parseOne(text)
    expect([line.measurement, line.tags, line.fields.map((field) => field.name)]).toEqual([measurement, tags, fields])
  })

  const values: Array<[string, string, unknown]> = [
    ['1', 'float', 1],
    ['-0', 'float', -0],
    ['.5', 'float', 0.5],
    ['-5.', 'float', -5],
    ['1e+21', 'float', 1e21],
    ['1.5E-7', 'float', 1.5e-7],
    ['5e-324', 'float', 5e-324],
    ['0.30000000000000004', 'float', 0.1 + 0.2],
    ['5i', 'int', 5],
    ['-0i', 'int', 0],
    ['9007199254740991i', 'int', 2 ** 53 - 1],
    ['9007199254740993i', 'int', 2n ** 53n + 1n],
    ['-9223372036854775808i', 'int', -(2n ** 63n)],
    ['18446744073709551615u', 'uint', 2n ** 64n - 1n],
    ['007u', 'uint', 7],
    ['t', 'bool', true],
    ['FALSE', 'bool', false],
    ['""', 'string', ''],
    ['"a,b =c"', 'string', 'a,b =c'],
    ['"a\nb"', 'string', 'a\nb'],
    ['"a\\"b\\\\c\\d"', 'string', 'a"b\\c\\d'],
    ['"C:\\\\"', 'string', 'C:\\'],
  ]
  it.each(values)('value %s is %s', (text, kind, value) => {
    expect(parseOne(`m a=1,v=${text},z=1 7`).fields[1]).toEqual({ name: 'v', kind, value })
  })

  const bad: Array<[string, number, string]> = [
    ['m', 2, 'no field'],
    ['m,k=v', 6, 'no field'],
    ['m ', 3, 'no field'],
    [',k=v f=1', 1, 'an empty measurement'],
    ['m,=v f=1', 3, 'an empty tag key'],
    ['m, f=1', 3, 'an empty tag key'],
    ['m,k f=1', 4, 'a tag without a value'],
    ['m,k= f=1', 5, 'an empty tag value'],
    ['m,k=v=w f=1', 6, 'an equals sign in a tag value needs a backslash'],
    ['m,k=v\\ f=1', 9, 'an equals sign in a tag value needs a backslash'],
    ['m,k=a,k=b f=1', 1, 'a tag stands twice'],
    ['m,time=a f=1', 3, 'the tag key "time" is reserved'],
    ['m 17', 5, 'a field without a value'],
    ['m =1', 3, 'an empty field name'],
    ['m f=', 5, 'a field without a value'],
    ['m f=1,', 7, 'no field'],
    ['m f=1,,g=1', 7, 'an empty field name'],
    ['m f=abc', 5, 'neither a number nor a boolean (strings need quotes)'],
    ['m f=NaN', 5, 'neither a number nor a boolean (strings need quotes)'],
    ['m f=+5', 5, 'neither a number nor a boolean (strings need quotes)'],
    ['m f=-', 5, 'neither a number nor a boolean (strings need quotes)'],
    ['m f=1x', 6, 'text after a number'],
    ['m f=1e', 7, 'an exponent without digits'],
    ['m f=1e400', 5, 'a number beyond the doubles'],
    ['m f=i', 5, 'an integer has digits only'],
    ['m f=1.5i', 6, 'an integer has digits only'],
    ['m f=-1u', 5, 'an integer out of range'],
    ['m f=9223372036854775808i', 5, 'an integer out of range'],
    ['m f="a', 5, 'a string without its closing quote'],
    ['m f="a\\"', 5, 'a string without its closing quote'],
    ['m f="a"b', 8, 'text after a string'],
    ['m f=1 1x', 8, 'a time is an integer'],
    ['m f=1 -', 8, 'a time is an integer'],
    ['m f=1 1 2', 9, 'text after the time'],
    ['m f=1 9223372036854775807', 7, 'a time out of the range of nanoseconds'],
    ['m f=1\r', 6, 'a carriage return before the line feed: end lines by a line feed alone'],
    ['m f=1 7\r', 8, 'a carriage return before the line feed: end lines by a line feed alone'],
    ['\r', 2, 'a carriage return before the line feed: end lines by a line feed alone'],
    [`m,k=${'é'.repeat(32_768)} f=1`, 1, 'measurement and tags are over 65535 bytes'],
  ]
  it.each(bad)('bad: %.40s', (text, column, reason) => {
    expect([...parseLines(text)]).toEqual([{ lineNumber: 1, column, reason, text }])
  })

  it('yields the good lines around the bad, with the numbers of their lines', () => {
    const body = '\n# m f="a comment\nm f=1\nbad\n  \nm f="two\nlines"\n\nworse\nm f=2'
    const got = [...parseLines(body)].map((line) => [
      line.lineNumber,
      isBadLine(line) ? line.text : line.fields[0]?.value,
    ])
    expect(got).toEqual([[3, 1], [4, 'bad'], [6, 'two\nlines'], [9, 'worse'], [10, 2]]) // biome-ignore format: a pair a line
  })

  const times: Array<[string, number, bigint | undefined]> = [
    ['m f=1', 1, undefined],
    ['m f=1 1763900000123456789', 1, 1763900000123456789n],
    ['m f=1 -1', 1, -1n],
    ['m f=1 0007', 1000, 7000n],
    ['m f=1 1763900000', 1_000_000_000, 1763900000000000000n],
    ['m f=1 -9223372036854775806', 1, -9223372036854775806n],
  ]
  it.each(times)('the time of %s in units of %d ns', (text, unitNs, timeNs) => {
    expect([...parseLines(text, { unitNs })]).toMatchObject([{ timeNs }])
  })

  it('reads bytes as UTF-8, and what is not UTF-8 as U+FFFD', () => {
    expect([...parseLines(Buffer.from('m,k=\xff\xfe f=1', 'latin1'))]).toMatchObject([
      { tags: [['k', '\ufffd\ufffd']] },
    ])
  })

  it('takes a time in proportion to the length, however odd the text', () => {
    const parts = ['\\', '"', ',', '=', ' ', '\n', '9', '0', '-', ',k=', 'f="', '\\"', 'm f=1,', '9.', 'x\n', '#\n']
    const beginnings = ['', 'm f=', 'm f="', 'm,k=v f=1 ']
    const texts = beginnings.flatMap((beginning) => parts.map((part) => beginning + part.repeat(50_000)))
    // Each is read within milliseconds; by a square of the length it would be minutes, beyond the test's time limit.
    const lines = texts.map((text) => [...parseLines(text)].length)
    expect(Math.max(...lines)).toBe(50_000)
  })
})
