import { describe, expect, it } from 'vitest'
import { messageId, parseMessageId } from './message-id.ts'

describe('the id of a message', () => {
  it.each([
    ['3-1764503425000-0', { partition: 3, entry: '1764503425000-0' }],
    ['0-0-1', { partition: 0, entry: '0-1' }],
    [
      '63-18446744073709551615-18446744073709551615',
      { partition: 63, entry: '18446744073709551615-18446744073709551615' },
    ],
    ['3-k3f9a0c12d-17', { partition: 3, mark: 'k3f9a0c12d-17' }],
  ])('%s is read as it was made', (text, id) => {
    expect(parseMessageId(text)).toEqual(id)
    expect(messageId(id.partition, ('entry' in id ? id.entry : id.mark)!)).toBe(text)
  })

  it.each([
    '',
    '3',
    '1764503425000-0',
    '-1-1764503425000-0',
    '3-1764503425000-0-1',
    '3-K3f9a0c12d-17',
    '3-k3f9a0c12d-',
    ' 3-1764503425000-0',
    '3-1764503425000-0\n',
    '*',
  ])('%j is none', (text) => {
    expect(parseMessageId(text)).toBeUndefined()
  })
})
