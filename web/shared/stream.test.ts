import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { LiveStream, refusalIn, type StreamState } from './stream.ts'

type Answer = (response: ServerResponse) => void

let server: Server
let stream: LiveStream

afterEach(() => {
  stream.close()
  server.closeAllConnections()
  server.close()
})

/** Opens a stream of a server that gives these answers, the last one for ever. @returns the states that it went through */
async function follow(...answers: Answer[]): Promise<StreamState[]> {
  let asked = 0
  server = createServer((_request, response) => answers[Math.min(asked++, answers.length - 1)]!(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const states: StreamState[] = []
  stream = new LiveStream(`http://127.0.0.1:${(server.address() as AddressInfo).port}/live`, {
    ...{ samples: () => {}, missed: () => {} },
    state: (state) => states.push(state),
  })
  return states
}

const refuse =
  (status: number, headers: Record<string, string> = {}, problem: object = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json', ...headers })
    response.end(JSON.stringify(problem))
  }
const open: Answer = (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': \n\n')

describe('a live stream that the API does not give', () => {
  it.each([
    ['for so long as the answer says', refuse(429, { 'retry-after': '30' }), 429, 'limited', 30_000],
    ['for a while, where it does not say how long', refuse(429), 429, 'limited', 5_000],
    ['at least for a moment, where it says none', refuse(429, { 'retry-after': '0' }), 429, 'limited', 1_000],
    ['until there is another key', refuse(401), 401, 'locked', 10_000],
    ['to a key that may not', refuse(403, {}, { scope: 'read' }), 403, 'locked', 10_000],
  ] as const)('is asked for again %s', async (_when, answer, status, why, leastMs) => {
    const fromMs = performance.now()
    const states = await follow(answer)
    await expect.poll(() => states.length).toBe(2)
    const refusal = refusalIn(states[1]!)!
    expect([states[0], refusal.error.status, refusal.error.state]).toEqual(['connecting', status, why])
    expect(refusal.againAtMs - fromMs).toBeGreaterThanOrEqual(leastMs)
  })

  it('says nothing of an error of the server, which the polls tell, and comes when it is given', async () => {
    const states = await follow(refuse(503), refuse(429, { 'retry-after': '0' }), open)
    await expect.poll(() => states.at(-1)).toBe('live')
    expect(states.map((state) => refusalIn(state)?.error.status ?? state)).toEqual([
      ...['connecting', 'connecting', 'connecting', 429, 'connecting', 'live'],
    ])
  })
})
