import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BadLineReason, MAX_LABEL_BYTES, MAX_LABELS, MAX_LINE_BYTES, TextScanner } from './text-scanner.ts'

interface Found {
  readonly name: string
  readonly labels: ReadonlyArray<readonly [string, string]>
  readonly value: number
  readonly atUs?: number
}

type Line = Found | { readonly help: string; readonly of: string } | { readonly type: string; readonly of: string } | BadLineReason // biome-ignore format: one line

function linesOf(text: string): Line[] {
  const scanner = new TextScanner(Buffer.from(text))
  const lines: Line[] = []
  for (;;) {
    const kind = scanner.next()
    if (kind === 'end') return lines
    if (kind === 'bad') lines.push(scanner.reason)
    else if (kind === 'help') lines.push({ help: scanner.text, of: scanner.name })
    else if (kind === 'type') lines.push({ type: scanner.text, of: scanner.name })
    else lines.push(sampleOf(scanner))
  }
}

function sampleOf(scanner: TextScanner): Found {
  const { name, value, atUs } = scanner
  const labels = Array.from({ length: scanner.labels }, (_, i) => [scanner.labelKey(i), scanner.labelValue(i)] as const)
  return { name, labels, value, ...(Number.isNaN(atUs) ? {} : { atUs }) }
}

const plain = (name: string, value: number, atUs?: number): Found => ({ name, labels: [], value, ...(atUs === undefined ? {} : { atUs }) }) // biome-ignore format: one line

describe('samples', () => {
  it.each<[string, string, Line[]]>([
    ['no labels', 'up 1\n', [plain('up', 1)]],
    ['empty braces', 'up{} 1\n', [plain('up', 1)]],
    ['a time in ms', 'up 1 1628683905941\n', [plain('up', 1, 1_628_683_905_941_000)]],
    ['a time before the epoch', 'up 1 -1000\n', [plain('up', 1, -1_000_000)]],
    ['blanks wherever they may be', ' \tup \t{ a = "1" , b="2" , } \t 3 \t 4 \t\n', [{ name: 'up', labels: [['a', '1'], ['b', '2']], value: 3, atUs: 4000 }]],
    ['a space behind the comma, as UFM writes', 'PortXmitDataExtended{source="0x1", port_num="2"} 85554128244 1628683905941\n', [{ name: 'PortXmitDataExtended', labels: [['source', '0x1'], ['port_num', '2']], value: 85_554_128_244, atUs: 1_628_683_905_941_000 }]],
    ['lines that end in CRLF', 'up 1\r\n\r\ndown 0 5\r\n', [plain('up', 1), plain('down', 0, 5000)]],
    ['escapes', 'a{b="x\\\\y\\"z\\n{},="} 1\n', [{ name: 'a', labels: [['b', 'x\\y"z\n{},=']], value: 1 }]],
    ['escapes that there are not', 'a{b="C:\\dir"} 1\n', [{ name: 'a', labels: [['b', 'C:\\dir']], value: 1 }]],
    ['an empty label', 'a{b=""} 1\n', [{ name: 'a', labels: [['b', '']], value: 1 }]],
    ['other alphabets in a label', 'a{b="é🚀"} 1\n', [{ name: 'a', labels: [['b', 'é🚀']], value: 1 }]],
    ['a colon in a name', 'job:up:sum 1\n', [plain('job:up:sum', 1)]],
    ['a name in quotes', '{"my.metric", "my.key"="v"} 1\n', [{ name: 'my.metric', labels: [['my.key', 'v']], value: 1 }]],
    ['an exemplar', 'a_bucket{le="1"} 5 # {trace_id="x y"} 0.67 1520879607.789\n', [{ name: 'a_bucket', labels: [['le', '1']], value: 5 }]],
    ['an exemplar behind a time', 'a 5 7 # {} 1\n', [plain('a', 5, 7000)]],
    ['all forms of a number', 'a 1e3\na +5\na -.5\na 0.000000\na 1e400\n', [1000, 5, -0.5, 0, Infinity].map((value) => plain('a', value))],
    ['words for a number', 'a NaN\na nan\na +Inf\na -Inf\na Inf\na -Infinity\n', [Number.NaN, Number.NaN, Infinity, -Infinity, Infinity, -Infinity].map((value) => plain('a', value))],
    ['HELP and TYPE', '# HELP a What it\\nis \\\\ here.\n# TYPE a counter\n# TYPE b gauge\na 1\n', [{ help: 'What it\nis \\ here.', of: 'a' }, { type: 'counter', of: 'a' }, { type: 'gauge', of: 'b' }, plain('a', 1)]],
    ['HELP without a text, and of a quoted name', '# HELP a\r\n# HELP "a.b" c\n#HELP d e\n', [{ help: '', of: 'a' }, { help: 'c', of: 'a.b' }, { help: 'e', of: 'd' }]],
    ['comments', '# a comment\n#\n## HELP a b\n# HELP\n# UNIT a seconds\n# HELPER a b\n', []],
    ['OpenMetrics, with times in seconds', '# TYPE a counter\na_total 5 1520879607.789\na_created 1 1520879607\n# EOF\n', [{ type: 'counter', of: 'a' }, plain('a_total', 5, 1_520_879_607_789_000), plain('a_created', 1, 1_520_879_607_000_000)]],
    ['nothing', '\n', []],
  ])('%s', (_, text, lines) => {
    expect(linesOf(text)).toEqual(lines)
  }) // biome-ignore format: a row a case

  it.each<[BadLineReason, string]>([
    ['name', '<html>'],
    ['name', '9lives 1'],
    ['name', 'my-metric 1'],
    ['name', 'up'],
    ['name', '{a="b"} 1'],
    ['labels', 'a{b="c} 1'],
    ['labels', 'a{b="c"'],
    ['labels', 'a{pod="my "best" pod",gpu="0"} 1'],
    ['labels', 'a{pod="ends in \\"} 1'],
    ['labels', 'a{b=c} 1'],
    ['labels', 'a{b} 1'],
    ['labels', 'a{"b","c"} 1'],
    ['labels', 'a{="c"} 1'],
    ['labels', 'a{1b="c"} 1'],
    ['labels', 'a{,} 1'],
    ['labels', 'a{b="c" d="e"} 1'],
    ['too_many_labels', `a{${Array.from({ length: MAX_LABELS + 1 }, (_, i) => `l${i}="x"`).join(',')}} 1`],
    ['label_too_long', `a{b="${'x'.repeat(MAX_LABEL_BYTES + 1)}"} 1`],
    ['value', 'a '],
    ['value', 'a{b="c"}'],
    ['value', 'a N/A'],
    ['value', 'a 0x1p-2'],
    ['value', 'a 1_000'],
    ['timestamp', 'a 1 soon'],
    ['timestamp', 'a 1 1520879607.789'],
    ['timestamp', 'a 1 NaN'],
    ['timestamp', 'a 1 1e300'],
    ['timestamp', 'a 1 2 3'],
    ['line_too_long', `a 1 # ${'x'.repeat(MAX_LINE_BYTES)}`],
  ])('%s: a line that cannot be read costs itself: %s', (reason, line) => {
    expect(linesOf(`before 1\n${line}\nafter 2\n`)).toEqual([plain('before', 1), reason, plain('after', 2)])
  })

  it('says where a line is, what its value was as text, and shows its beginning', () => {
    const scanner = new TextScanner(Buffer.from('# x\n\nDCGM_FI_DEV_XID_ERRORS{gpu="0"} 9223372036854775794\n  bad"line here\n'))
    expect([scanner.next(), scanner.line, scanner.valueText]).toEqual(['sample', 3, '9223372036854775794'])
    const { bytes, lineStart, seriesEnd } = scanner
    expect(bytes.toString('utf8', lineStart, seriesEnd)).toBe('DCGM_FI_DEV_XID_ERRORS{gpu="0"}')
    expect([scanner.next(), scanner.line, scanner.shown(7), scanner.shown(50)]).toEqual(['bad', 4, 'bad"lin…', 'bad"line here'])
    expect([scanner.next(), scanner.next()]).toEqual(['end', 'end'])
  }) // biome-ignore format: one line

  it('refuses a text whose last line has no end', () => {
    for (const text of ['', 'a 1', 'a 1\nb']) expect(() => new TextScanner(Buffer.from(text))).toThrow(RangeError)
  })
})

const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,12}$/)
const labelValue = fc.oneof(fc.string({ unit: fc.constantFrom(...'a"\\\n{},=# é🚀'), maxLength: 12 }), fc.string())
const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(Number.NaN, Infinity, -Infinity))
const sample = fc.record({
  name,
  labels: fc.array(fc.tuple(name, labelValue), { maxLength: 5 }),
  value: number,
  atMs: fc.option(fc.integer({ min: -1e12, max: 4e12 }), { nil: undefined }),
})

/** Text as a client library writes it; with blanks where they may be. */
function written(
  { name, labels, value, atMs }: typeof sample extends fc.Arbitrary<infer T> ? T : never,
  blank: string,
) {
  const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  const list = labels.map(([key, text]) => `${blank}${key}${blank}=${blank}"${escaped(text)}"${blank}`).join(',')
  const number = Number.isNaN(value) ? 'NaN' : `${value}`.replace('Infinity', 'Inf')
  return `${name}${list === '' ? '' : `{${list}}`} ${blank}${number}${atMs === undefined ? '' : ` ${atMs}`}${blank}`
}

describe('any text', () => {
  it('gives each sample back that was written', () => {
    const blank = fc.constantFrom('', ' ', '\t ')
    const end = fc.constantFrom('\n', '\r\n', '\n# HELP x y\n')
    fc.assert(
      fc.property(fc.array(fc.tuple(sample, blank, end), { minLength: 1, maxLength: 5 }), (lines) => {
        const text = lines.map(([one, between, behind]) => `${written(one, between)}${behind}`).join('')
        const found = linesOf(text).filter((line) => typeof line === 'string' || 'name' in line)
        const wellFormed = (text: string): string => text.toWellFormed()
        expect(found).toEqual(
          lines.map(([{ name, labels, value, atMs }]) => ({
            name,
            labels: labels.map(([key, text]) => [key, wellFormed(text)]),
            value: value === 0 ? expect.closeTo(0) : value,
            ...(atMs === undefined ? {} : { atUs: atMs * 1000 }),
          })),
        )
      }),
      { numRuns: 2_000 },
    )
  })

  it('ends, counts each line once, and never throws', () => {
    const nearly = fc.string({ unit: fc.constantFrom(...'ab0.{}"\\=, \t\r\n#HELPTYEOF'), maxLength: 60 })
    const bytes = fc.oneof(
      nearly.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
    )
    fc.assert(
      fc.property(bytes, (text) => {
        const scanner = new TextScanner(Buffer.concat([text, Buffer.from('\n')]))
        let [line, lineStart] = [0, -1]
        for (let kind = scanner.next(); kind !== 'end'; kind = scanner.next()) {
          expect(scanner.line).toBeGreaterThan(line)
          expect(scanner.lineStart).toBeGreaterThan(lineStart)
          ;({ line, lineStart } = scanner)
          expect(scanner.bytes.subarray(0, lineStart).filter((byte) => byte === 0x0a)).toHaveLength(line - 1)
          if (kind === 'sample') sampleOf(scanner)
          else if (kind !== 'bad') expect(scanner.text).toBeTypeOf('string')
          expect(scanner.shown(20).length).toBeLessThanOrEqual(21)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
