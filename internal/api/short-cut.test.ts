import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ApiScene } from '../../test/support/api-scene.ts'
import type { ApiOptions } from './api.ts'

/** An API that listens, and how many requests went the usual way. */
class Listening {
  usual = 0
  readonly scene: ApiScene

  constructor(options?: Partial<ApiOptions>) {
    this.scene = new ApiScene(options)
    this.scene.app.addHook('onRequest', (_request, _reply, done) => {
      this.usual++
      done()
    })
  }

  static async open(options?: Partial<ApiOptions>): Promise<Listening> {
    listening = new Listening(options)
    await listening.scene.way.table.open()
    await listening.scene.app.listen({ host: '127.0.0.1', port: 0 })
    return listening
  }

  get port(): number {
    const address = this.scene.app.server.address()
    return typeof address === 'object' ? address!.port : 0
  }

  /** Head and body of the answer to a request line; of the head all but the date, in order. */
  async ask(line: string, ...headers: string[]): Promise<string[]> {
    const answer = await this.send(
      [`${line} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', ''].join('\r\n'),
    )
    const [head, body] = answer.split('\r\n\r\n')
    const fields = head!.split('\r\n').filter((field) => !field.startsWith('Date:'))
    return [...fields.sort(), body!]
  }

  /** @param parts of a request, each sent when the one before it has been */
  async send(...parts: Array<string | (() => void)>): Promise<string> {
    const socket = connect(this.port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk
    })
    const ended = new Promise((resolve) => socket.on('close', resolve))
    for (const part of parts) {
      if (typeof part === 'string') socket.write(part)
      else part()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await ended
    return answer
  }
}

let listening: Listening | undefined
afterEach(async () => {
  await listening?.scene.app.close()
  listening = undefined
})

describe('the short cut of GET /api/v1/hosts', () => {
  it('gives the answer that the usual way gives', async () => {
    const api = await Listening.open()
    api.scene.way.send('cpu', { host: 'b–1' }, { usage_percent: 7 })
    const first = await api.ask('GET /api/v1/hosts')
    expect(api.usual).toBe(1)
    const short = await api.ask('GET /api/v1/hosts')
    expect(api.usual).toBe(1)
    const usual = await api.ask('GET /api/v1/hosts?')
    expect(api.usual).toBe(2)
    expect(short).toEqual(usual)
    expect(first).toEqual(usual)
    expect(short).toContain('HTTP/1.1 200 OK')
    expect(JSON.parse(short.at(-1)!).hosts).toMatchObject([{ host: 'b–1' }])
  })

  it('asks the store again when its answer has become old', async () => {
    const api = await Listening.open()
    await api.ask('GET /api/v1/hosts')
    api.scene.way.clock.time += 11e6
    await api.ask('GET /api/v1/hosts')
    expect(api.usual).toBe(2)
  })

  it.each([
    ['HEAD', 'HEAD /api/v1/hosts', 200],
    ['a parameter', 'GET /api/v1/hosts?host=a', 200],
    ['a slash at the end', 'GET /api/v1/hosts/', 200],
    ['another method', 'DELETE /api/v1/hosts', 405],
    ['another resource', 'GET /health', 200],
  ])('is not for %s', async (_what, line, status) => {
    const api = await Listening.open()
    await api.ask('GET /api/v1/hosts')
    expect((await api.ask(line)).find((field) => field.startsWith('HTTP/'))).toContain(`HTTP/1.1 ${status} `)
    expect(api.usual).toBe(2)
  })

  it.each([
    ['other origins may read the answer', { corsOrigins: ['https://page.example'] }],
    ['a proxy says who asks', { trustProxy: true }],
  ])('is closed where %s', async (_what, options) => {
    const api = await Listening.open(options)
    for (let n = 0; n < 3; n++) await api.ask('GET /api/v1/hosts')
    expect(api.usual).toBe(3)
  })

  it('leaves a failure to the usual way, which answers', async () => {
    const api = await Listening.open()
    await api.ask('GET /api/v1/hosts')
    api.scene.way.clock.time += 1e6
    Object.assign(api.scene.way.table, {
      hosts: () => {
        throw new Error('a bug')
      },
    })
    expect(await api.ask('GET /api/v1/hosts')).toContain('HTTP/1.1 500 Internal Server Error')
    expect(api.scene.log.join('')).toContain('a bug')
  })

  it('is closed while the API closes', async () => {
    const api = await Listening.open()
    await api.ask('GET /api/v1/hosts')
    const close = (): void => void api.scene.app.close()
    const answer = await api.send('GET /api/v1/hosts HTTP/1.1\r\nHo', close, 'st: x\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1.1 503 /)
  })
})
