import { expect, it } from 'vitest'
import { isLoopbackHost } from './loopback.ts'

it.each([
  ...(['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost', 'LOCALHOST.'] as const),
  'api.localhost',
])('only this machine reaches %s', (host) => {
  expect(isLoopbackHost(host)).toBe(true)
})

it.each([
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '::ffff:10.0.0.1',
  'fe80::1',
  'dash.example',
  'localhost.example',
  '',
  '127.0.0.1.example',
])('others may reach %j', (host) => {
  expect(isLoopbackHost(host)).toBe(false)
})
