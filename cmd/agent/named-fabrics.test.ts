import { describe, expect, it } from 'vitest'
import { namedFabrics } from './named-fabrics.ts'

function namesOf(targets: readonly string[], named: readonly string[] = []): Record<string, string[]> {
  const limits = { intervalMs: 1000, timeoutMs: 1000, maxBodyBytes: 1000, gzip: false }
  const fabrics = namedFabrics({ targets, named, ...limits })
  return Object.fromEntries([...fabrics].map(([fabric, list]) => [fabric, list.map(({ name }) => name)]))
}

describe('the fabrics of the settings', () => {
  it.each([
    ['none', [], [], {}],
    ['one address', ['http://h:1/counters'], [], { default: ['http://h:1/counters'] }],
    ['a file beside it', ['http://h:1/c', 'ports.csv'], [], { default: ['http://h:1/c', 'ports.csv'] }],
    ['the same twice', ['a.csv', 'a.csv'], [], { default: ['a.csv'] }],
    ['a password', ['http://user:secret@h/c'], [], { default: ['http://user:***@h/c'] }],
    ['parameters', ['http://h/c?token=secret'], [], { default: ['http://h/c'] }],
    [
      'shards of one address',
      ['http://h/c?num_shards=2&shard=0', 'http://h/c?num_shards=2&shard=1', 'http://i/c'],
      [],
      { default: ['http://h/c#1', 'http://h/c#2', 'http://i/c'] },
    ],
    [
      'several fabrics',
      [],
      ['east=http://h/c?a=b', 'west=w.csv', 'east=e.csv'],
      { east: ['http://h/c', 'e.csv'], west: ['w.csv'] },
    ],
  ])('have names without secrets, each another one: %s', (_, targets, named, expected) => {
    expect(namesOf(targets, named)).toEqual(expected)
  })
})
