import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { compileLate } from './compile-late.ts'

const BROKEN = { type: 'object', properties: { a: { type: 'no such type' } } }

function open() {
  const app = Fastify({ schemaController: { compilersFactory: compileLate() } })
  const querystring = Type.Object({ n: Type.Integer({ minimum: 1 }) })
  app.addSchema({ $id: 'answer', type: 'object', properties: { n: { type: 'integer' } } })
  app.get('/good', { schema: { querystring, response: { 200: { $ref: 'answer#' } } } }, async ({ query }) => ({
    ...(query as object),
    secret: 1,
  }))
  app.get('/bad-query', { schema: { querystring: BROKEN } }, async () => ({}))
  app.get('/bad-answer', { schema: { response: { 200: BROKEN } } }, async () => ({ a: 1 }))
  return app
}

it('checks and converts what comes, and leaves out what the schema of the answer has not, each time', async () => {
  const app = open()
  for (const [url, status, text] of [
    ['/good?n=0', 400, expect.stringContaining('querystring/n must be >= 1')],
    ['/good?n=x', 400, expect.stringContaining('querystring/n must be integer')],
    ['/good?n=2', 200, '{"n":2}'],
    ['/good', 400, expect.stringContaining('must have required property')],
    ['/good?n=3', 200, '{"n":3}'],
  ] as const) {
    const { statusCode, body } = await app.inject(url)
    expect([url, statusCode, body]).toEqual([url, status, text])
  }
})

it('answers 500 where a schema cannot be compiled, and goes on elsewhere', async () => {
  const app = open()
  for (const url of ['/bad-query', '/bad-answer', '/bad-query']) {
    expect((await app.inject(url)).statusCode).toBe(500)
  }
  expect((await app.inject('/good?n=1')).statusCode).toBe(200)
})
