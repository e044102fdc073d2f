import { expect, it } from 'vitest'
import { messageEvent } from './message-event.ts'

it.each([
  ['text', Buffer.from('a\nb "c" köln \u2028 \u0000'), { payload: 'a\nb "c" köln \u2028 \u0000' }],
  ['nothing', Buffer.alloc(0), { payload: '' }],
  ['bytes', Buffer.from([0xff, 0x0a, 0x0a]), { payload: '/woK', encoding: 'base64' }],
  ['cut text', Buffer.from('ö').subarray(0, 1), { payload: 'ww==', encoding: 'base64' }],
])('the event of %s has an id, and one line of data', (_name, payload, shown) => {
  const id = '3-1764503425000-0'
  const event = messageEvent({ id, topic: 'gpu', partition: 3, payload, createdAtMs: 1_764_503_425_001 })
  const [idLine, dataLine, ...rest] = event.split('\n')
  expect(rest).toEqual(['', ''])
  expect(idLine).toBe(`id: ${id}`)
  expect(JSON.parse(dataLine!.replace('data: ', ''))).toEqual({
    ...{ id, topic: 'gpu', partition: 3, created_at: '2025-11-30T11:50:25.001Z' },
    ...shown,
  })
})
