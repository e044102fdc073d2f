import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BROKEN_ROW, CsvScanner, MAX_CELLS, NO_ROW } from './scanner.ts'

/** All rows; of a broken one undefined. */
function rowsOf(bytes: Buffer): Array<string[] | undefined> {
  const scanner = new CsvScanner(bytes)
  const rows: Array<string[] | undefined> = []
  for (;;) {
    const cells = scanner.next()
    if (cells === NO_ROW) return rows
    const { starts, ends } = scanner
    rows.push(
      cells === BROKEN_ROW
        ? undefined
        : Array.from({ length: cells }, (_, i) => scanner.bytes.toString('utf8', starts[i], ends[i])),
    )
  }
}

/** Another reader: a character after the other, with strings. For text whose quotes pair. */
function plainly(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let state: 'begin' | 'plain' | 'quoted' | 'closed' = 'begin'
  const characters = [...text.replace(/^\ufeff/, '')]
  for (const [i, character] of characters.entries()) {
    if (state === 'quoted') {
      if (character === '"') state = 'closed'
      else cell += character
    } else if (state === 'closed' && character === '"') {
      cell += '"'
      state = 'quoted'
    } else if (character === ',') {
      row.push(cell)
      ;[cell, state] = ['', 'begin']
    } else if (character === '\n') {
      const isEmpty = row.length === 0 && cell === '' && state === 'begin'
      if (!isEmpty) rows.push([...row, cell])
      ;[row, cell, state] = [[], '', 'begin']
    } else if (character === '\r' && characters[i + 1] === '\n') {
      // Part of the line end.
    } else if (character === '"' && state === 'begin') state = 'quoted'
    else {
      cell += character
      state = 'plain'
    }
  }
  return rows
}

const quoted = fc
  .string({ unit: fc.constantFrom(...'ab,"\n\r é🚀0'), maxLength: 8 })
  .map((text) => `"${text.replaceAll('"', '""')}"`)
const plain = fc
  .string({ unit: fc.constantFrom(...'ab0.-" é🚀\r'), maxLength: 8 })
  .filter((text) => !text.startsWith('"') && !text.endsWith('\r'))
const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', '\r\n\r\n')
const table = fc
  .tuple(
    fc.constantFrom('', '\ufeff'),
    fc.constantFrom('', '\n', '\r\n'),
    fc.array(fc.tuple(fc.array(fc.oneof(plain, quoted), { minLength: 1, maxLength: 5 }), lineEnd), { maxLength: 6 }),
  )
  .map(([mark, empty, rows]) => `${mark}${empty}${rows.map(([cells, end]) => `${cells.join(',')}${end}`).join('')}\n`)

describe('CsvScanner', () => {
  it('finds the cells that a plain reader finds', () => {
    fc.assert(
      fc.property(table, (text) => {
        expect(rowsOf(Buffer.from(text))).toEqual(plainly(text))
      }),
      { numRuns: 3_000 },
    )
  })

  it('gives each cell back that was written in quotes', () => {
    const cell = fc.string({ unit: fc.constantFrom(...'a,"\n\ré🚀'), maxLength: 6 })
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { minLength: 1 }), (rows) => {
        const lines = rows.map((cells) => cells.map((text) => `"${text.replaceAll('"', '""')}"`).join(','))
        expect(rowsOf(Buffer.from(`${lines.join('\r\n')}\r\n`))).toEqual(rows)
      }),
    )
  })

  it('ends on any bytes, and never goes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'a,"\n\r'), maxLength: 40 }), (text) => {
        const scanner = new CsvScanner(Buffer.from(`${text}\n`))
        for (let at = scanner.at; scanner.next() !== NO_ROW; at = scanner.at) expect(scanner.at).toBeGreaterThan(at)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each<[string, string, Array<string[] | undefined>]>([
    ['nothing but a line end', '\n', []],
    ['a byte order mark alone', '\ufeff\n', []],
    ['a byte order mark before a quote', '\ufeff"a",b\n', [['a', 'b']]],
    ['empty cells', ',\n,,\r\n', [['', ''], ['', '', '']]], // biome-ignore format: one line
    ['a return within a cell', 'a\rb,c\r\n', [['a\rb', 'c']]],
    ['a cell that is a return', '\r,a\n', [['\r', 'a']]],
    ['a quote within a cell', 'a"b,c\n', [['a"b', 'c']]],
    ['an empty cell in quotes', '"",a\n', [['', 'a']]],
    ['one quote in quotes', '"""",a\n', [['"', 'a']]],
    ['text behind the closing quote', '"a"b,c\nd,e\n', [undefined, ['d', 'e']]],
    ['a quote that is never closed', 'a,"b\nc,d\ne,f\n', [undefined, ['c', 'd'], ['e', 'f']]],
    ['a quote that is never closed, at last', 'a,b\n"c\n', [['a', 'b'], undefined]],
    ['a doubled quote before the end', '"a""\nb\n', [undefined, ['b']]],
  ])('%s', (_, text, rows) => {
    expect(rowsOf(Buffer.from(text))).toEqual(rows)
  })

  it('spoils one line alone where a quote is closed too far behind', () => {
    const near = `"${'x\n'.repeat(20_000)}",b\n`
    expect(rowsOf(Buffer.from(near))).toHaveLength(1)
    const far = `"${'x\n'.repeat(40_000)}",b\n`
    const rows = rowsOf(Buffer.from(far))
    expect([rows[0], rows[1], rows.length]).toEqual([undefined, ['x'], 40_001])
  })

  it('counts more cells than it keeps', () => {
    const scanner = new CsvScanner(Buffer.from(`${'1,'.repeat(MAX_CELLS)}2\n3,4\n`))
    expect(scanner.next()).toBe(MAX_CELLS + 1)
    expect(scanner.next()).toBe(2)
    expect(scanner.bytes.toString('utf8', scanner.starts[1], scanner.ends[1])).toBe('4')
  })

  it.each(['', 'a,b', 'a\nb'])('refuses %j, whose last line has no end', (text) => {
    expect(() => new CsvScanner(Buffer.from(text))).toThrow(RangeError)
  })
})
