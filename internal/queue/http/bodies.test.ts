import { describe, expect, it } from 'vitest'
import { HttpError } from '../../http/errors.ts'
import { idsIn, payloadIn } from './bodies.ts'

const ROW =
  '["2025-09-25T10:30:00Z","DCGM_FI_DEV_GPU_UTIL","0","nvidia0","GPU-1","H100","node-1","","","","45","a=\\"b\\""]'

describe('the message in a body', () => {
  it.each([
    ['{"payload":"hello"}', 'hello'],
    [' \r\n\t{ "payload" : "a\\nb" , "more": 1 }', 'a\nb'],
    ['{"payload":""}', ''],
    ['{"payload":"köln \\u0000"}', 'köln \u0000'],
    ['hello', 'hello'],
    [ROW, ROW],
    ['{"device_id":"gpu-1","value":1}', '{"device_id":"gpu-1","value":1}'],
    ['{"payload":{"a":1}}', '{"payload":{"a":1}}'],
    ['{"payload":7}', '{"payload":7}'],
    ['{"inner":{"payload":"x"}}', '{"inner":{"payload":"x"}}'],
    ['{"payload":"cut', '{"payload":"cut'],
    ['[{"payload":"x"}]', '[{"payload":"x"}]'],
    ['', ''],
  ])('%j is %j', (body, payload) => {
    expect(payloadIn(Buffer.from(body)).toString()).toBe(payload)
  })

  it('is the bytes themselves where they are no text', () => {
    const body = Buffer.from([0x7b, 0xff, 0x00, ...Buffer.from('"payload"')])
    expect(payloadIn(body)).toBe(body)
  })
})

describe('the ids of an ack', () => {
  it.each([
    ['{"id":"0-1-0"}', [], ['0-1-0']],
    ['{"ids":["0-1-0","0-2-0"]}', [], ['0-1-0', '0-2-0']],
    ['["0-1-0",{"id":"0-2-0"}]', [], ['0-1-0', '0-2-0']],
    ['"0-1-0"', [], ['0-1-0']],
    ['id=0-1-0&id=0-2-0', [], ['0-1-0', '0-2-0']],
    ['', ['0-1-0', '0-2-0'], ['0-1-0', '0-2-0']],
    ['{"id":"0-2-0"}\n', ['0-1-0'], ['0-1-0', '0-2-0']],
  ])('of %j and %j in the URL are %j', (body, others, ids) => {
    expect(idsIn(Buffer.from(body), others)).toEqual(ids)
  })

  it.each([
    ['', 'id is missing'],
    ['[]', 'id is missing'],
    ['{}', 'no string id'],
    ['{"id":5}', 'no string id'],
    ['null', 'no string id'],
    ['{"id":"0-1', 'no JSON'],
    [JSON.stringify(Array.from({ length: 1001 }, () => '0-1-0')), 'more than 1000'],
  ])('are refused: %.40s', (body, detail) => {
    expect(() => idsIn(Buffer.from(body), [])).toThrow(HttpError)
    expect(() => idsIn(Buffer.from(body), [])).toThrow(detail)
  })
})
