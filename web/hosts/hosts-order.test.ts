import { describe, expect, it } from 'vitest'
import { busiestFirst, inOrderOf, matching } from './hosts-order.ts'

const host = (name: string, cpuPercent: number | null = 0, stale = false) => ({
  host: name,
  ageMs: 0,
  stale,
  cpuPercent,
})
const names = (hosts: ReadonlyArray<{ host: string }>) => hosts.map(({ host }) => host).join(' ')

describe('the order of the hosts', () => {
  it('is by CPU: the busiest first, then those without a figure, then stale ones; equal ones keep their order', () => {
    const hosts = [
      host('a', 5),
      host('old', 99, true),
      host('none', null),
      host('b', 90),
      host('c', 5),
      host('idle', 0),
    ]
    expect(names(busiestFirst(hosts))).toBe('b a c idle none old')
  })

  it('can stay as it was, with newer figures; new hosts come last, and gone ones go', () => {
    const newer = [host('a', 1), host('b', 99), host('new', 50), host('c', 3)]
    expect(inOrderOf(newer, [host('c'), host('gone'), host('a'), host('b')])).toEqual([
      ...[host('c', 3), host('a', 1), host('b', 99), host('new', 50)],
    ])
  })

  it('has the hosts whose names contain the filter, in upper or lower case', () => {
    const hosts = [host('Web-1'), host('db'), host('web-2')]
    expect(names(matching(hosts, 'WEB'))).toBe('Web-1 web-2')
    expect(matching(hosts, '')).toBe(hosts)
  })
})
