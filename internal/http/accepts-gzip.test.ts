import { expect, it } from 'vitest'
import { acceptsGzip } from './accepts-gzip.ts'

it.each([
  [undefined, false],
  ['', false],
  ['gzip', true],
  ['gzip, deflate', true],
  ['br;q=1.0, GZIP;q=0.8', true],
  ['x-gzip', true],
  ['*', true],
  ['deflate, *;q=0.1', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000, *', false],
  ['*;q=0', false],
  ['identity', false],
  ['identity, gzip;q=0.5', false],
  ['identity;q=0.5, gzip', true],
  ['br', false],
  ['gzipped', false],
  ['gzip;level=9', false],
  [['br', 'gzip'], true],
])('%j: %j', (accepted, isAccepted) => {
  expect(acceptsGzip(accepted)).toBe(isAccepted)
})
