import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { startSilentServer } from '../../test/support/servers.ts'
import { ask, askText } from './ask.ts'

it('answers whatever the status, with all of the body', async () => {
  const server = createServer((request, response) => {
    response.writeHead(503).end(`${request.method} ${request.url} ${request.headers['x-more']}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const headers = { 'x-more': 'a' }
  expect(await askText(`${url}/a?b`, { method: 'PUT', headers })).toEqual({ status: 503, body: 'PUT /a?b a' })
})

it('says of one that does not answer that it took too long, and of one that is not there that it refuses', async () => {
  const silent = await startSilentServer()
  onTestFinished(() => silent.stop())
  const signal = AbortSignal.timeout(50)
  await expect(ask(`http://${silent.address}`, { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
  await expect(ask('http://127.0.0.1:9')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})
