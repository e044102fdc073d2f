import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { badOf, cellsOf, kindsOf, rowsOf, tagsOf } from '../../test/support/fabric-table.ts'
import type { ColumnKind } from './snapshot.ts'
import { type Table, TableError, TableReader, type TableReaderOptions } from './table-reader.ts'

const NOW_US = 1_763_900_000_123_456
const [GUID, OTHER] = ['0xb83fd203000000a1', '0xb83fd203000000a2']
const [ID, OTHER_ID] = ['b83fd203000000a1', 'b83fd203000000a2']

function read(reader: TableReader, ...lines: string[]): Promise<Table> {
  return reader.read(Buffer.from(`${lines.join('\n')}\n`), NOW_US)
}

async function problemOf(reading: Promise<Table>): Promise<unknown> {
  const error: unknown = await reading.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  return error instanceof TableError ? error.problem : error
}

describe('a table of the generator', () => {
  /** The first of its snapshots. */
  const recorded = (profile: string): Buffer => {
    const all = readFileSync(new URL(`../generator/testdata/${profile}.csv`, import.meta.url), 'utf8')
    const header = all.slice(0, all.indexOf('\n') + 1)
    return Buffer.from(header + all.split(header)[1]!)
  }

  /** Each cell by another way, as the exact decimal that it is. */
  function written(csv: string, idOf: (cells: readonly string[]) => string, metricsFrom: number) {
    const [header, ...rows] = csv
      .trimEnd()
      .split(/\r?\n/)
      .map((line) => line.split(','))
    const names = header!.slice(metricsFrom)
    return rows.map((cells) => ({
      id: idOf(cells),
      cells: Object.fromEntries(
        names.flatMap((name, i) => (cells[metricsFrom + i] === '' ? [] : [[name, cells[metricsFrom + i]]])),
      ),
    }))
  }

  it.each<[string, (cells: readonly string[]) => string, number, (cells: readonly string[]) => number]>([
    ['switch', ([, id]) => id!, 2, ([time]) => Number(time) * 1e6],
    ['fabric', ([id]) => id!, 1, () => NOW_US],
    ['ufm', (cells) => `${cells[3]!.slice(2)}_${cells[5]}`, 6, ([time]) => Number(time)],
  ])('%s: has every cell as it is written', async (profile, idOf, metricsFrom, timeOf) => {
    const reader = new TableReader()
    const bytes = recorded(profile)
    const csv = bytes.toString()
    const { snapshot, badRows, badCells } = await reader.read(bytes, NOW_US)
    const expected = written(csv, idOf, metricsFrom)
    const times = csv
      .trimEnd()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => timeOf(line.split(',')))
    const rows = rowsOf(snapshot)
    expect(rows.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
    expect(rows.map(({ atUs }) => atUs)).toEqual(times)
    for (const [row, { cells }] of rows.entries()) {
      const wanted = expected[row]!.cells
      expect(Object.keys(cells).sort()).toEqual(Object.keys(wanted).sort())
      for (const [name, value] of Object.entries(cells)) {
        const text = wanted[name]!
        expect(typeof value === 'number' ? value : String(value)).toBe(typeof value === 'number' ? Number(text) : text)
        if (typeof value === 'number' && /^\d+$/.test(text)) expect(String(value)).toBe(text)
      }
    }
    expect([badRows, badCells, badOf(reader)]).toEqual([0, 0, {}])
  })
})

describe('a column', () => {
  it('has one kind for ever: 0 and then 0.5, an integer that is known by its name, and text', async () => {
    const reader = new TableReader()
    const header = 'switch_id,load,packet_errors,state'
    const first = await read(reader, header, 'sw1,0,7,up', 'sw2,0.5,8,5')
    expect(kindsOf(first)).toEqual({ load: 'float', packet_errors: 'int', state: 'text' })
    expect(cellsOf(first)).toEqual({
      sw1: { load: 0, packet_errors: 7, state: 'up' },
      sw2: { load: 0.5, packet_errors: 8, state: '5' },
    })
    const second = await read(reader, header, 'sw1,up,7.5,7', 'sw2,1e400,1e19,')
    expect(cellsOf(second)).toEqual({ sw1: { state: '7' }, sw2: {} })
    expect(badOf(reader)).toEqual({ not_a_number: 1, not_whole: 1, too_large: 2 })
    const third = await read(reader, `${header},more`, 'sw1,1,1,1,1')
    expect(kindsOf(third)).toEqual({ load: 'float', packet_errors: 'int', state: 'text', more: 'float' })
  })

  it('has the kind that another table of the fabric gave it', async () => {
    const kinds = new Map<string, ColumnKind>()
    const [one, other] = [new TableReader({ kinds }), new TableReader({ kinds })]
    await read(one, 'switch_id,a,b', 'sw1,x,1')
    const table = await read(other, 'switch_id,b,a', 'sw2,y,2')
    expect(kindsOf(table)).toEqual({ a: 'text', b: 'float' })
    expect([cellsOf(table), badOf(other)]).toEqual([{ sw2: { a: '2' } }, { not_a_number: 1 }])
  })

  it('waits for the first value that tells, and is in no snapshot before', async () => {
    const reader = new TableReader()
    const header = 'switch_id,a,b,c'
    const first = await read(reader, header, 'sw1,,N/A,1')
    expect([kindsOf(first), cellsOf(first)]).toEqual([{ c: 'float' }, { sw1: { c: 1 } }])
    const second = await read(reader, header, 'sw1,,N/A,2', 'sw2,null,x,3', 'sw3,4,,')
    expect(kindsOf(second)).toEqual({ a: 'float', b: 'text', c: 'float' })
    expect(cellsOf(second)).toEqual({ sw1: { c: 2 }, sw2: { b: 'x', c: 3 }, sw3: { a: 4 } })
    expect(badOf(reader)).toEqual({})
  })

  it.each(['', ' ', 'N/A', 'n/a', 'NaN', 'nan', '-nan', 'inf', '-inf', 'null', 'NA'])(
    'of each kind has no value where a cell says %j, and nothing is bad',
    async (none) => {
      const reader = new TableReader()
      await read(reader, 'switch_id,f,t,packet_errors,new', 'sw1,1,x,1,')
      const table = await read(reader, 'switch_id,f,t,packet_errors,new', `sw1,${none},${none},${none},${none}`)
      expect([cellsOf(table), kindsOf(table).new, badOf(reader)]).toEqual([{ sw1: {} }, undefined, {}])
    },
  )

  it('is one of numbers where its first value is too large for one', async () => {
    const reader = new TableReader()
    const table = await read(reader, 'switch_id,a', 'sw1,1e400', 'sw2,0.5')
    expect([cellsOf(table), badOf(reader)]).toEqual([{ sw1: {}, sw2: { a: 0.5 } }, { too_large: 1 }])
  })

  it('of texts keeps those that a store takes', async () => {
    const reader = new TableReader()
    const table = await read(
      reader,
      'switch_id,Port_Status',
      ...[`sw1,"a ""b"", c"`, 'sw2,"a ""b"", c"', `sw3,${'x'.repeat(65_536)}`, `sw4,${'y'.repeat(65_535)}`, 'sw5,é🚀'],
    )
    expect(cellsOf(table)).toEqual({
      sw1: { Port_Status: 'a "b", c' },
      sw2: { Port_Status: 'a "b", c' },
      sw3: {},
      sw4: { Port_Status: 'y'.repeat(65_535) },
      sw5: { Port_Status: 'é🚀' },
    })
    expect(badOf(reader)).toEqual({ too_large: 1 })
  })

  it('of integers has all of 64 bits', async () => {
    const values = ['0', '-1', '9007199254740993', '9223372036854775807', '-9223372036854775807', '4294967296', '7.0']
    const reader = new TableReader()
    const rows = values.map((value, i) => `sw${i},${value}`)
    const table = await read(reader, 'switch_id,packet_errors', ...rows, 'bad,9223372036854775808')
    expect(rowsOf(table.snapshot).map(({ cells }) => cells.packet_errors)).toEqual([
      ...[0, -1, 9_007_199_254_740_993n, 2n ** 63n - 1n, 1n - 2n ** 63n, 4_294_967_296, 7, undefined],
    ])
    expect(badOf(reader)).toEqual({ too_large: 1 })
  })
})

describe('a table that is not taken', () => {
  const good = ['switch_id,a', 'sw1,1', 'sw2,2', 'sw3,3']

  it.each<[string, string, string]>([
    ['nothing', '\n', 'not_a_table'],
    ['a page', '<html>\n<body>Log in</body>\n', 'not_a_table'],
    ['a header whose quotes do not pair', '"switch_id,a\nsw1,1\n', 'not_a_table'],
    ['more columns than a table may have', `switch_id${',a'.repeat(1024)}\n`, 'not_a_table'],
    ['a header alone', 'switch_id,a\n', 'no_rows'],
    ['no good row', 'switch_id,a\n,1\n,2\n', 'no_rows'],
    ['more bad rows than good ones', 'switch_id,a\nsw1,1\nx\ny\nsw2,2\nz\nsw3,3\n,4\n', 'too_many_bad_rows'],
    ['a last line without an end', 'switch_id,a\nsw1,1\nsw2,2', 'cut_off'],
    ['a last line without all of its cells', 'switch_id,a,b\nsw1,1,1\nsw2,2\n', 'cut_off'],
    ['a last line within quotes', 'switch_id,a\nsw1,1\nsw2,"x\n', 'cut_off'],
  ])('%s', async (_, csv, problem) => {
    const reader = new TableReader()
    expect(await problemOf(reader.read(Buffer.from(csv), NOW_US))).toBe(problem)
    expect(cellsOf(await read(reader, ...good))).toEqual({ sw1: { a: 1 }, sw2: { a: 2 }, sw3: { a: 3 } })
  })

  it('is one that was cut anywhere but at the end of a row, as long as a cell is missing or its end', async () => {
    const whole = `${['timestamp,switch_id,a,b', '1763900000,sw1,1.5,2', '1763900000,"s""w,2",3,4'].join('\r\n')}\r\n`
    const ends = [...whole.matchAll(/\n/g)].map(({ index }) => index + 1)
    for (let end = 1; end < whole.length; end++) {
      const problem = await problemOf(new TableReader().read(Buffer.from(whole.slice(0, end)), NOW_US))
      if (ends.includes(end)) expect([end, problem]).toEqual([end, end === ends[0] ? 'no_rows' : undefined])
      else expect([end, problem]).toEqual([end, 'cut_off'])
    }
  })

  it('leaves the rows that are known, and the next one finds them', async () => {
    const reader = new TableReader()
    const header = 'node_guid,port_num,node_description,a'
    const lines = (name: string): string[] => Array.from({ length: 1500 }, (_, i) => `${GUID},${i},${name},1`)
    await read(reader, header, ...lines('leaf'))
    expect(await problemOf(read(reader, header, `${GUID},1,renamed,1`, 'cut'))).toBe('cut_off')
    const table = await read(reader, header, ...lines('renamed'))
    expect(tagsOf(table)[`${ID}_2`]).toMatchObject({ switch: 'leaf' })
  })
})

describe('rows', () => {
  it('that are bad are counted by their reasons, and the good ones kept', async () => {
    const reader = new TableReader()
    const table = await read(
      reader,
      'switch_id,a',
      ...[
        'sw1,1',
        'sw2,2,3',
        'sw2',
        'sw3,"x"y',
        ',4',
        'sw1,5',
        'sw4,6',
        `${'n'.repeat(1025)},7`,
        'sw5,8',
        'sw6,9',
        'sw7,10',
      ],
      ...['sw8,11', 'sw9,12'],
    )
    expect([table.badRows, badOf(reader)]).toEqual([6, { cells: 2, quotes: 1, nobody: 2, twice: 1 }])
    expect(Object.keys(cellsOf(table))).toEqual(['sw1', 'sw4', 'sw5', 'sw6', 'sw7', 'sw8', 'sw9'])
    expect(cellsOf(table).sw1).toEqual({ a: 1 })
  })

  it('are found again in another order, after some came and went', async () => {
    const reader = new TableReader()
    const ids = fc.uniqueArray(fc.nat({ max: 30 }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(fc.array(ids, { minLength: 1, maxLength: 5 }), async (tables) => {
        for (const numbers of tables) {
          const lines = numbers.map((n) => `${GUID},${n},leaf ${n % 3},${n * 2}`)
          const table = await read(reader, 'node_guid,port_num,port_label,a', ...lines)
          expect(cellsOf(table)).toEqual(Object.fromEntries(numbers.map((n) => [`${ID}_${n}`, { a: n * 2 }])))
          expect(tagsOf(table)).toEqual(
            Object.fromEntries(numbers.map((n) => [`${ID}_${n}`, { node_guid: ID, port_num: `${n}` }])),
          )
        }
      }),
    )
  })

  it('that are gone are forgotten at last', async () => {
    const reader = new TableReader()
    const sizes: number[] = []
    for (let round = 0; round < 8; round++) {
      const lines = Array.from({ length: 500 }, (_, i) => `sw${round * 500 + i},1`)
      sizes.push((await read(reader, 'switch_id,a', ...lines)).known.size)
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 500 + 1000 + 500)
  })

  it('keep no more of texts that change than they take', async () => {
    const reader = new TableReader()
    let most = 0
    for (let round = 0; round < 30; round++) {
      const lines = Array.from({ length: 100 }, (_, i) => `sw${i},${`${round}`.padEnd(1000, 'x')},1`)
      most = Math.max(most, (await read(reader, 'switch_id,status_message,a', ...lines)).known.bytesUsed)
    }
    expect(most).toBeLessThan(2 * 110_000 + 2 ** 20 + 110_000)
  })

  it('ask for no more room than their bytes may need, whatever the first line is', async () => {
    const header = ['switch_id', ...Array.from({ length: 100 }, (_, i) => `hist${i}`)].join(',')
    const rows = Array.from({ length: 2000 }, (_, i) => `sw${i}${',1'.repeat(100)}`)
    for (const first of ['', '\r', 'x']) {
      const reader = new TableReader()
      const { snapshot, badRows } = await read(reader, header, first, ...rows)
      expect([snapshot.rows, badRows]).toEqual([2000, first === 'x' ? 1 : 0])
      const bytes = snapshot.parts.cells.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
      expect(bytes).toBeLessThan(2 * 2000 * 100 * 8)
    }
  })

  it('without a time, or with one that cannot be, have that of the arrival', async () => {
    const reader = new TableReader()
    const table = await read(
      reader,
      'timestamp,switch_id,a',
      ',sw1,1',
      '0,sw2,2',
      'soon,sw3,3',
      '1763900000123456789,sw4,4',
    )
    expect(rowsOf(table.snapshot).map(({ atUs }) => atUs)).toEqual([NOW_US, NOW_US, NOW_US, NOW_US])
    expect(badOf(reader)).toEqual({ time: 2 })
  })

  it('let others run', async () => {
    let pauses = 0
    const reader = new TableReader({ pause: async () => void pauses++ })
    await read(reader, 'switch_id,a', ...Array.from({ length: 12_000 }, (_, i) => `sw${i},1`))
    expect(pauses).toBe(2)
  })

  it('of more than the room at first are all there', async () => {
    const reader = new TableReader()
    const lines = (value: number): string[] => Array.from({ length: 5_000 }, (_, i) => `sw${i},${value + i},t${i % 3}`)
    for (const value of [0.5, 1.5]) {
      const rows = rowsOf((await read(reader, 'switch_id,a,b', ...lines(value))).snapshot)
      expect(rows).toEqual(
        Array.from({ length: 5_000 }, (_, i) => ({
          id: `sw${i}`,
          atUs: NOW_US,
          cells: { a: value + i, b: `t${i % 3}` },
        })),
      )
    }
  })
})

it('a table with a few more rows, or shorter lines, is read into the arrays of the one before', async () => {
  const reader = new TableReader()
  const buffersOf = async (rows: number, value: string): Promise<unknown[]> => {
    const lines = Array.from({ length: rows }, (_, i) => `sw${i},${value}`)
    return (await read(reader, 'switch_id,packet_errors', ...lines)).snapshot.parts.cells.map(({ buffer }) => buffer)
  }
  const [first] = await buffersOf(5_000, '100000')
  for (const [rows, value] of [
    [5_200, '100000'],
    [5_000, '99999'],
  ] as const)
    expect((await buffersOf(rows, value))[0]).toBe(first)
})

describe('ports', () => {
  const tags = async (lines: readonly string[], options: TableReaderOptions = {}) =>
    tagsOf(await read(new TableReader(options), ...lines))

  it.each(['0xB83FD203000000A1', 'b83fd203000000a1', '0xb83fd203000000a1'])('have one name, with a GUID like %s', async (guid) => {
    expect(await tags(['node_guid,port_num,a', `${guid},1,5`])).toEqual({ [`${ID}_1`]: { node_guid: ID, port_num: '1' } })
  }) // biome-ignore format: one line

  it('of a GUID with fewer digits have all 16, and what is no GUID stays', async () => {
    expect(await tags(['Node_GUID,Port,a', '0x2c90300,1,5', 'leaf_1,2,5', `${GUID},1_2,5`])).toEqual({
      '0000000002c90300_1': { node_guid: '0000000002c90300', port_num: '1' },
      leaf_1_2: { node_guid: 'leaf_1', port_num: '2' },
      [`${ID}_1_2`]: { node_guid: ID, port_num: '1_2' },
    })
  })

  it('of planes have their own numbers, and the port that joins them has that of the system', async () => {
    const header = 'node_guid,port_num,sys_image_guid,aport,port_type,a'
    const system = 'b83fd2030000ff00'
    const lines = [
      `${GUID},1,0x${system},3,plane,10`,
      `${OTHER},1,0x${system},3,plane,11`,
      `${GUID},1,0x${system},3,aggregated,21`,
      `,,0x${system},4,Aggregated,22`,
      `,,0x${system},5,,23`,
      `${GUID},7,,,legacy,30`,
      `${GUID},8,,,aggregated,31`,
    ]
    const reader = new TableReader()
    const table = await read(reader, header, ...lines)
    expect(Object.fromEntries(Object.entries(cellsOf(table)).map(([id, { a }]) => [id, a]))).toEqual({
      ...{ [`${ID}_1`]: 10, [`${OTHER_ID}_1`]: 11, [`${ID}_7`]: 30 },
      ...{ [`${system}_3`]: 21, [`${system}_4`]: 22, [`${system}_5`]: 23 },
    })
    expect(tagsOf(table)[`${system}_3`]).toEqual({ node_guid: system, port_num: '3' })
    expect(badOf(reader)).toEqual({ nobody: 1 })
  })

  it('have the first description of their node as a tag, and the present one as their switch', async () => {
    const reader = new TableReader()
    const header = 'node_guid,port_num,node_description,a'
    const both = (first: string, second: string): string[] => [`${GUID},1,${first},1`, `${GUID},2,${second},2`]
    const seen = async (first: string, second: string) => {
      const table = await read(reader, header, ...both(first, second))
      const switches = rowsOf(table.snapshot).map(({ switchName }) => switchName)
      return [switches, Object.values(tagsOf(table)).map((of) => of.switch)]
    }
    expect(await seen('', '')).toEqual([[undefined, undefined], [undefined, undefined]]) // biome-ignore format: one line
    expect(await seen('leaf-1', 'leaf-1')).toEqual([['leaf-1', 'leaf-1'], ['leaf-1', 'leaf-1']]) // biome-ignore format: one line
    expect(await seen('renamed', 'leaf-1')).toEqual([['renamed', 'leaf-1'], ['leaf-1', 'leaf-1']]) // biome-ignore format: one line
    expect(await seen('renamed', '')).toEqual([['renamed', undefined], ['leaf-1', 'leaf-1']]) // biome-ignore format: one line
  })

  it('have no tag of a description that no store takes', async () => {
    const lines = [`${GUID},1,"a\tb",1`, `${OTHER},1,"x${'\t'.repeat(600)}x",1`]
    expect(await tags(['node_guid,port_num,node_description,a', ...lines])).toEqual({
      [`${ID}_1`]: { node_guid: ID, port_num: '1', switch: 'a\\tb' },
      [`${OTHER_ID}_1`]: { node_guid: OTHER_ID, port_num: '1' },
    })
  })

  it.each([undefined, 'hall-2'])('and switches have the tag of the fabric %s', async (fabric) => {
    const tag = fabric === undefined ? {} : { fabric }
    expect(await tags(['switch_id,a', 'sw_1,1'], { fabric })).toEqual({ sw_1: { ...tag, switch: 'sw_1' } })
    expect(await tags(['node_guid,port_num,a', `${GUID},1,1`], { fabric })).toEqual({
      [`${ID}_1`]: { ...tag, node_guid: ID, port_num: '1' },
    })
  })
})
