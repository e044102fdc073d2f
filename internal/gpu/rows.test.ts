import { describe, expect, it } from 'vitest'
import { readingOf, rowOf } from './rows.ts'

const AT = Date.parse('2025-09-25T10:30:00Z') * 1000

describe('readingOf', () => {
  it.each<[string, unknown, object]>([
    [
      'an object by the names of the columns',
      { timestamp: '2025-09-25T10:30:00Z', metric_name: 'M', uuid: 'u', value: '5', labels_raw: 'a="b"' },
      {
        metric: 'M',
        value: '5',
        labels: new Map([
          ['uuid', 'u'],
          ['labels_raw', 'a="b"'],
        ]),
        atUs: AT,
        tie: 0,
      },
    ],
    [
      'other names, and numbers',
      { time: 1758796200, metric: 'M', gpu_id: 0, value: 75.5, hostname: 'w' },
      {
        metric: 'M',
        value: 75.5,
        labels: new Map([
          ['gpu_id', '0'],
          ['hostname', 'w'],
        ]),
        atUs: AT,
        tie: 0,
      },
    ],
    [
      'a list of the columns',
      ['1758796200', 'M', '0', 'd', 'u', 'm', 'h', 'c', 'p', 'n', '5', ''],
      { metric: 'M', value: '5', atUs: AT },
    ],
    ['no time', { metric: 'M', value: 1, uuid: 'u' }, { metric: 'M', atUs: 7 }],
    ['no value', { metric: 'M', value: null, uuid: 'u' }, { metric: 'M', value: '' }],
  ])('reads %s', (_, row, expected) => expect(readingOf(row, 7)).toMatchObject(expected))

  it.each<[unknown, string]>([
    [5, 'row_syntax'],
    [null, 'row_syntax'],
    [['1', '2'], 'row_syntax'],
    [{ value: 5 }, 'row_syntax'],
    [{ metric: 5, value: 5 }, 'row_syntax'],
    [{ metric: 'M', value: true }, 'not_a_number'],
    [{ metric: 'M', value: 5, time: 'soon' }, 'time_syntax'],
  ])('refuses %j', (row, reason) => expect(readingOf(row, 7)).toMatchObject({ reason }))
})

describe('rowOf', () => {
  const labels = new Map([
    ['uuid', 'GPU-1'],
    ['pod', 'a "b"'],
  ])
  it.each([75.5, '9223372036854775794', 'ERROR', 1e21, Number.POSITIVE_INFINITY, Number.NaN])(
    'gives %s back, with what names the reading',
    (value) => {
      const reading = { metric: 'M', value, labels, atUs: AT }
      const [row] = JSON.parse(rowOf(reading, 'n1')) as unknown[]
      const written = Number.isFinite(value) ? value : String(value)
      expect(readingOf(row, 0)).toEqual({
        ...reading,
        value: written,
        labels: new Map([...labels, ['Hostname', 'n1']]),
        tie: 0,
      })
    },
  )

  it('keeps the host that the reading names', () => {
    const named = new Map([...labels, ['hostname', 'w']])
    const [row] = JSON.parse(rowOf({ metric: 'M', value: 1, labels: named, atUs: AT }, 'n1')) as unknown[]
    expect(readingOf(row, 0)).toMatchObject({ labels: named })
  })
})
