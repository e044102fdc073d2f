// What an HTTP answer costs at least: a server of node:http that answers everything with the same bytes. Prints its port.
//
//   node bare-http-process.mjs <body>
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const body = Buffer.from(process.argv[2]!)
const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length }

const server = createServer((_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
}).listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
