// What an answer of fastify costs at least: one route, no hooks, a constant text under the headers that it is given.
// Prints its port.
//
//   node bare-fastify-process.mjs <body in base64> '{"etag": "…"}'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'

const body = Buffer.from(process.argv[2]!, 'base64').toString()
const headers = JSON.parse(process.argv[3]!) as Readonly<Record<string, string>>
const app = Fastify()
app.get('/', (_request, reply) => {
  reply.headers(headers).type('application/json').send(body)
})
await app.listen({ port: 0, host: '127.0.0.1' })
console.log((app.server.address() as AddressInfo).port)
