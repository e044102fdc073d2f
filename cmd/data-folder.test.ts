import { describe, expect, it } from 'vitest'
import { fileName } from './data-folder.ts'

describe('fileName', () => {
  const cases: Array<[string, string]> = [
    ['web-01.example.org', 'web-01.example.org'],
    ['a/b', 'a%2fb'],
    ['..', '%2e.'],
    ['.hidden', '%2ehidden'],
    ['50%', '50%25'],
    ['ü b', '%c3%bc%20b'],
    ['', '%'],
  ]
  it.each(cases)('%s is %s', (name, want) => expect(fileName(name)).toBe(want))

  it('cuts a long name, and keeps it apart from others that begin alike', () => {
    const long = fileName('a'.repeat(300))
    expect(long).toMatch(/^a{83}%[0-9a-f]{16}$/)
    expect(fileName('a'.repeat(301))).not.toBe(long)
  })
})
