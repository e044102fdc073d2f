import { describe, expect, it } from 'vitest'
import { ParameterError } from '../../http/errors.ts'
import { Parameters } from './parameters.ts'

const KNOWN = ['topic', 'partition', 'group', 'detail', 'id']
const read = (query: object): unknown[] => {
  const parameters = new Parameters(query, KNOWN)
  return [
    parameters.topic,
    parameters.partition(64),
    parameters.group,
    parameters.flag('detail'),
    parameters.texts('id'),
  ]
}
const good = { topic: 'telemetry', group: 'telemetry-processors' }

describe('the parameters of a request', () => {
  it.each([
    [good, ['telemetry', undefined, 'telemetry-processors', false, []]],
    [{ ...good, partition: '63', detail: 'true', id: 'a' }, ['telemetry', 63, 'telemetry-processors', true, ['a']]],
    [{ topic: '0.a_b-C', group: 'a:b@c/d', id: ['a', 'b'] }, ['0.a_b-C', undefined, 'a:b@c/d', false, ['a', 'b']]],
  ])('%j are read', (query, values) => {
    expect(read(query)).toEqual(values)
  })

  it.each([
    [{ group: 'g' }, 'topic', 'topic is missing'],
    [{ ...good, topic: '' }, 'topic', 'topic is missing'],
    [{ ...good, topic: '..' }, 'topic', 'topic must be'],
    [{ ...good, topic: 'a/b' }, 'topic', 'topic must be'],
    [{ ...good, topic: 'a}b' }, 'topic', 'topic must be'],
    [{ ...good, topic: 'a'.repeat(101) }, 'topic', 'topic must be'],
    [{ ...good, topic: ['a', 'b'] }, 'topic', 'more than once'],
    [{ topic: 'a' }, 'group', 'group is missing'],
    [{ ...good, group: 'a b' }, 'group', 'group must be'],
    [{ ...good, partition: '64' }, 'partition', 'from 0 to 63'],
    [{ ...good, partition: '-1' }, 'partition', 'from 0 to 63'],
    [{ ...good, partition: '1.5' }, 'partition', 'from 0 to 63'],
    [{ ...good, partition: '' }, 'partition', 'from 0 to 63'],
    [{ ...good, partition: '1e1' }, 'partition', 'from 0 to 63'],
    [{ ...good, detail: 'yes' }, 'detail', 'true or false'],
    [{ ...good, topics: 'a' }, 'topics', 'there is no parameter "topics"'],
  ])('%j are refused, and %s is named', (query, parameter, detail) => {
    expect(() => read(query)).toThrow(expect.objectContaining({ status: 400, parameter }))
    expect(() => read(query)).toThrow(ParameterError)
    expect(() => read(query)).toThrow(detail)
  })
})
