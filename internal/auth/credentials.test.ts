import type { IncomingHttpHeaders } from 'node:http'
import { expect, it } from 'vitest'
import { credentialOf } from './credentials.ts'

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`

it.each<[headers: IncomingHttpHeaders, ofReaders: string | undefined, ofWriters?: string]>([
  [{}, undefined],
  [{ 'x-api-key': 'k' }, 'k'],
  [{ 'x-api-key': '' }, ''],
  [{ authorization: 'Bearer k' }, 'k'],
  [{ authorization: 'bearer  k ' }, 'k'],
  [{ authorization: 'Bearer' }, undefined],
  [{ authorization: 'Bearer a b' }, undefined],
  [{ authorization: 'k' }, undefined],
  [{ authorization: 'Digest k' }, undefined],
  // A proxy may ask for a password of its own: a key in a header of its own wins.
  [{ 'x-api-key': 'k', authorization: basic('proxy:password') }, 'k'],
  [{ authorization: 'Token k' }, undefined, 'k'],
  [{ authorization: basic('anybody:k') }, undefined, 'k'],
  [{ authorization: basic(':k:with:colons') }, undefined, 'k:with:colons'],
  [{ authorization: basic('k') }, undefined],
])('%j has the key %j for a read, and %j for a write', (headers, ofReaders, ofWriters = ofReaders) => {
  expect(credentialOf(headers, false)?.secret).toBe(ofReaders)
  expect(credentialOf(headers, true)?.secret).toBe(ofWriters)
})

it('takes the token of a role before a key', () => {
  const headers = { 'x-service-token': 't', 'x-api-key': 'k' }
  expect(credentialOf(headers, false)).toEqual({ kind: 'service', secret: 't' })
  expect(credentialOf({ 'x-api-key': 'k' }, false)?.kind).toBe('key')
})
