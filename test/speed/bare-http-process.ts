// What an HTTP answer costs at least: a server of node:http that answers everything with the same bytes, under the headers that it is
// given besides those of node:http itself. Prints its port.
//
//   node bare-http-process.mjs <body in base64> '{"Content-Type": "application/json"}'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const body = Buffer.from(process.argv[2]!, 'base64')
const headers = { ...JSON.parse(process.argv[3]!), 'Content-Length': body.length }

const server = createServer((_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
}).listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
