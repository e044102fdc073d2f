import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ApiScene } from '../../test/support/api-scene.ts'
import { snapshotOf } from '../../test/support/fabric.ts'
import { FabricScene } from '../../test/support/fabric-scene.ts'

let scene: ApiScene | undefined
const clients: Array<{ destroy(): unknown }> = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene?.app.close()
  scene = undefined
})

async function listen(...options: Parameters<typeof ApiScene.open>): Promise<{ scene: ApiScene; port: number }> {
  scene = await ApiScene.open(...options)
  await scene.app.listen({ host: '127.0.0.1', port: 0 })
  scene.feed.start()
  const address = scene.app.server.address()
  return { scene, port: typeof address === 'object' ? address!.port : 0 }
}

/** Resolves when the condition holds; the test's own timeout ends the wait otherwise. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** A reader of the live stream. */
class Stream {
  readonly response: IncomingMessage
  /** All lines so far, without the data of samples. */
  readonly lines: string[] = []
  /** Measurement and field `v` of each reading so far. */
  readonly values: Array<[string, number]> = []
  readonly fabrics: Array<string | undefined> = []
  lastId = ''
  ended = false
  #rest = ''

  constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => this.#read(chunk))
    response.on('end', () => {
      this.ended = true
    })
    response.on('error', () => {})
  }

  static async open(port: number, query = '', headers: Record<string, string> = {}): Promise<Stream> {
    return new Stream(await get(port, `/api/v1/live${query}`, headers))
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      if (line.startsWith('data: [')) {
        for (const { measurement, fields, tags } of JSON.parse(line.slice('data: '.length))) {
          this.values.push([measurement, fields.v])
          this.fabrics.push(tags.fabric)
        }
      } else {
        this.lines.push(line)
        if (line.startsWith('id: ')) this.lastId = line.slice('id: '.length)
      }
    }
  }
}

function get(port: number, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const client: ClientRequest = request({ host: '127.0.0.1', port, path, headers, agent: false }, resolve)
    clients.push(client)
    client.on('error', reject)
    client.end()
  })
}

/** Sends bytes. Resolves with everything that the server sends until it closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    clients.push(socket)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

describe('GET /api/v1/pipeline/live', () => {
  it('streams the summary, however many programs there are, as one of the streams that are counted', async () => {
    const { scene, port } = await listen({}, { maxClients: 1 })
    for (let n = 0; n < 200; n++) scene.way.send('sentinel_pipeline', { host: `web-${n}`, role: 'agent' }, { held: 1n })
    const stream = new Stream(await get(port, '/api/v1/pipeline/live'))
    await until(() => stream.lines.length > 3)
    expect(stream.lines.slice(0, 3)).toEqual(['retry: 1000', '', 'event: pipeline'])
    expect(JSON.parse(stream.lines[3]!.slice('data: '.length))).toMatchObject({ programs: 200, held: 200, servers: 0 })
    for (const path of ['/api/v1/live', '/api/v1/pipeline/live']) expect((await scene.ask(path)).statusCode).toBe(503)
    // A second later comes the next one.
    await until(() => stream.lines.filter((line) => line === 'event: pipeline').length > 1)
    scene.feed.close()
    await until(() => stream.ended)
    expect(stream.lines).toContain('event: end')
  })
})

describe('GET /api/v1/live', () => {
  it('streams what is there, then what changes', async () => {
    const { scene, port } = await listen()
    scene.way.send('x', { host: 'a' }, { v: 1 })
    const stream = await Stream.open(port)
    const { headers } = stream.response
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    await until(() => stream.values.length === 1)
    expect(stream.lines.slice(0, 4)).toEqual(['retry: 1000', '', 'event: samples', `id: ${stream.lastId}`])
    scene.way.clock.time++
    scene.way.send('x', { host: 'a' }, { v: 2 })
    await until(() => stream.values.length === 2)
    expect(stream.values).toEqual([
      ['x', 1],
      ['x', 2],
    ])
  })

  it('is for other origins where they are named', async () => {
    const { port } = await listen({ corsOrigins: ['https://page.example'] })
    const { response } = await Stream.open(port, '', { origin: 'https://page.example' })
    expect(response.headers['access-control-allow-origin']).toBe('https://page.example')
  })

  it('filters by comma or by repetition', async () => {
    const { scene, port } = await listen()
    for (const host of ['a', 'b', 'c']) for (const m of ['x', 'y']) scene.way.send(m, { host }, { v: 1 })
    const byComma = await Stream.open(port, '?host=a,b&measurement=x')
    const repeated = await Stream.open(port, '?host=a&host=b')
    await until(() => byComma.values.length > 0 && repeated.values.length > 0)
    expect([byComma.values.length, repeated.values.length]).toEqual([2, 4])
  })

  it('brings the GPUs that are named, and goes with no other filter', async () => {
    const { scene, port } = await listen()
    for (const [uuid, host] of [
      ['GPU-a', 'n1'],
      ['GPU-b', 'n2'],
    ] as const) {
      scene.way.send('gpu', { uuid, host, gpu: '0' }, { v: 1 })
      scene.way.send('gpu_info', { uuid, host, gpu: '0' }, { device_id: `device of ${uuid}` })
    }
    const byIndex = await Stream.open(port, '?gpu=0&hostname=n2&measurement=gpu')
    const byDevice = await Stream.open(port, '?gpu=device%20of%20GPU-a')
    await until(() => byIndex.values.length > 0 && byDevice.values.length > 0)
    expect(byIndex.values).toEqual([['gpu', 1]])
    expect(byDevice.values.map(([measurement]) => measurement)).toEqual(['gpu', 'gpu_info'])
    for (const [query, parameter] of [
      ['gpu=a&host=n1', 'gpu'],
      ['hostname=n1', 'hostname'],
      ['gpu=a&switch=b', 'switch'],
    ]) {
      expect((await scene.ask(`/api/v1/live?${query}`)).json()).toMatchObject({ status: 400, parameter })
    }
  })

  it.each(['a,b', 'say "hi", x=1', '東京, ü', 'end,', 'line\nbreak, tab\t'])('finds a host named %j', async (name) => {
    const { scene, port } = await listen()
    for (const host of [name, 'a', 'b']) scene.way.send('x, y', { host }, { v: 1 })
    const written = encodeURIComponent(name.replaceAll(',', '\\,'))
    const stream = await Stream.open(port, `?host=${written}&measurement=x\\, y`.replaceAll(' ', '%20'))
    await until(() => stream.values.length > 0)
    expect(stream.values).toEqual([['x, y', 1]])
  })

  it.each([
    ['a list that hides a host', '?host=c,a,b', 'host', 'there is a host "a,b": write it as a\\,b'],
    ['a list that hides a measurement', '?measurement=x,%20y', 'measurement', 'write it as x\\, y'],
    ['an empty host', '?host=', 'host', 'a host name is empty'],
    ['an empty measurement among others', '?measurement=x,', 'measurement', 'a measurement name is empty'],
  ])('refuses %s, which would be silent for ever', async (_name, query, parameter, detail) => {
    const scene = await ApiScene.open()
    scene.way.send('x, y', { host: 'a,b' }, { v: 1 })
    const answer = await scene.ask(`/api/v1/live${query}`)
    expect(answer.json()).toMatchObject({ status: 400, parameter, detail: expect.stringContaining(detail) })
  })

  it('resumes after Last-Event-ID', async () => {
    const { scene, port } = await listen()
    scene.way.send('x', { host: 'a' }, { v: 1 })
    const first = await Stream.open(port)
    await until(() => first.values.length === 1)
    first.response.destroy()
    scene.way.send('y', { host: 'a' }, { v: 2 })
    const second = await Stream.open(port, '', { 'last-event-id': first.lastId })
    await until(() => second.values.length > 0)
    expect(second.values).toEqual([['y', 2]])
    await until(() => scene.feed.stats.clients === 1)
  })

  it.each([
    ['an unknown parameter', '?hosts=a', 400, 'hosts'],
    ['too many repetitions', `?${'host=a&'.repeat(101)}`, 400, 'host'],
  ])('%s: a problem document', async (_name, query, status, parameter) => {
    const scene = await ApiScene.open()
    const answer = await scene.ask(`/api/v1/live${query}`)
    expect(answer.json()).toMatchObject({ status, parameter })
  })

  it('503 for one client too many, and room again when one leaves', async () => {
    const { scene, port } = await listen({}, { maxClients: 1 })
    const first = await Stream.open(port)
    const refused = await scene.ask('/api/v1/live')
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '1'])
    expect(scene.feed.stats.refused).toBe(1)
    first.response.destroy()
    await until(() => scene.feed.stats.clients === 0)
    expect((await Stream.open(port)).response.statusCode).toBe(200)
  })

  it('429 for one stream too many of an address, counted and logged; others have room', async () => {
    const limits = { maxLiveClientsPerAddress: () => 1, maxConnectionsPerAddress: () => 10 }
    const { scene, port } = await listen({ trustProxy: true, limits })
    const from = (address: string) => ({ 'x-forwarded-for': address })
    const first = await Stream.open(port, '', from('2001:db8::1'))
    const refused = await scene.ask({ url: '/api/v1/live', headers: from('2001:db8::2') })
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '1'])
    expect(refused.json().detail).toBe('this address has 1 live streams open already')
    expect(scene.feed.stats.refused).toBe(1)
    expect(scene.log.join('')).toContain('--api-max-live-clients-per-address')
    for (const address of ['192.0.2.1', '127.0.0.1', '127.0.0.1']) {
      expect((await Stream.open(port, '', from(address))).response.statusCode).toBe(200)
    }
    first.response.destroy()
    await until(() => scene.feed.stats.clients === 3)
    expect((await Stream.open(port, '', from('2001:db8::2'))).response.statusCode).toBe(200)
  })

  it('passes over a client that does not read, and closes it after a minute; the others notice nothing', async () => {
    let nowMs = 0
    const { scene, port } = await listen({}, { nowMs: () => nowMs, stallTimeoutMs: 60_000 })
    const stalled = connect(port, '127.0.0.1', () =>
      stalled.write('GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    )
    clients.push(stalled)
    stalled.on('error', () => {})
    stalled.pause()
    const quick = await Stream.open(port)
    await until(() => scene.feed.stats.clients === 2)

    // More than the kernel buffers for a socket without a reader (some MB). The quick client reads each round to its end.
    const text = 'x'.repeat(60_000)
    let round = 0
    while (scene.feed.stats.lost === 0) {
      round++
      scene.way.clock.time++
      for (let i = 0; i < 10; i++) scene.way.record('m', { i: `${i}` }, { v: round, text })
      scene.way.announcer.announce()
      await until(() => quick.values.length === round * 10)
    }
    nowMs = 60_000
    await until(() => scene.feed.stats.stalled === 1)
    await until(() => scene.feed.stats.clients === 1)
    expect(quick.values.map(([, v]) => v)).toEqual(Array.from({ length: round * 10 }, (_, i) => Math.floor(i / 10) + 1))
    expect(quick.lines).not.toContain('event: lost')
  })

  it('tells a client that reads again what it lost', async () => {
    const { scene, port } = await listen()
    const slow = await Stream.open(port)
    const text = 'x'.repeat(60_000)
    slow.response.pause()
    for (let round = 1; scene.feed.stats.lost === 0; round++) {
      scene.way.clock.time++
      for (let i = 0; i < 10; i++) scene.way.record('m', { i: `${i}` }, { v: round, text })
      scene.way.announcer.announce()
      scene.feed.tick()
      await new Promise(setImmediate)
    }
    slow.response.resume()
    const told = () =>
      slow.lines.filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)).series)
    const sum = () => told().reduce((total, series) => total + series, 0)
    await until(() => sum() >= scene.feed.stats.lost)
    expect(sum()).toBe(scene.feed.stats.lost)
  })

  it('ends when the app closes, which waits for no client', async () => {
    const { scene, port } = await listen()
    const stream = await Stream.open(port)
    const deaf = await Stream.open(port)
    deaf.response.pause()
    await scene.app.close()
    await until(() => stream.ended)
    expect(stream.lines.slice(-3)).toEqual(['event: end', 'data: {}', ''])
    expect(scene.feed.stats.clients).toBe(0)
  })
})

describe('the live stream of switches', () => {
  const rowsOf = (atUs: number, v: number) =>
    snapshotOf(
      'fabric_port',
      [{ name: 'v', kind: 'int' }],
      [1, 2, 3].map((port) => ({
        id: `ab_${port}`,
        atUs,
        switchName: port < 3 ? 'leaf-1' : 'leaf-2',
        cells: [v + port],
      })),
    )

  it('brings the rows that are asked for after each swap, those of now first', async () => {
    const { scene, port } = await listen()
    const fabric = new FabricScene(scene)
    await fabric.show(rowsOf(1, 10))
    const [one, all, none] = await Promise.all(
      ['AB_3', 'leaf-1&switch=ab_1&switch=x', 'x'].map((query) => Stream.open(port, `?switch=${query}`)),
    )
    await fabric.show(rowsOf(2, 20))
    await until(() => one!.values.length === 2 && all!.values.length === 4)
    expect(one!.values).toEqual([13, 23].map((v) => ['fabric_port', v]))
    expect(all!.values).toEqual([11, 12, 21, 22].map((v) => ['fabric_port', v]))
    expect(none!.values).toEqual([])
  })

  it('takes lists, in which a comma of a name is written with a backslash', async () => {
    const { scene, port } = await listen()
    const fabric = new FabricScene(scene)
    const named = (name: string, id: string) =>
      snapshotOf('fabric_port', [{ name: 'v', kind: 'int' }], [{ id, atUs: 1, switchName: name, cells: [1] }])
    await fabric.show(named('MF0;a,b', 'ab_1'))
    await fabric.show(named('leaf-1', 'cd_1'), 'other')
    const stream = await Stream.open(port, '?switch=cd_1,MF0;a%5C,b')
    await until(() => stream.values.length === 2)
    const refused = await scene.ask('/api/v1/live?switch=cd_1,MF0;a,b')
    expect(refused.json()).toMatchObject({ status: 400, detail: 'there is a switch "MF0;a,b": write it as MF0;a\\,b' })
    // Of several fabrics each row tells its own.
    expect(stream.fabrics).toEqual(['default', 'other'])
  })

  it('goes with no other filter', async () => {
    const { scene } = await listen()
    const answer = await scene.ask('/api/v1/live?switch=sw1&host=a')
    expect(answer.json()).toMatchObject({ status: 400, parameter: 'switch' })
  })
})

describe('a connection', () => {
  it('without a request does not keep the API from closing', async () => {
    const { scene, port } = await listen()
    // Without these lines Node.js would close the connection itself.
    scene.app.server.headersTimeout = 0
    scene.app.server.requestTimeout = 0
    const silent = connect(port, '127.0.0.1')
    clients.push(silent)
    await new Promise((resolve) => silent.once('connect', resolve))
    const closed = new Promise((resolve) => silent.once('close', resolve))
    await scene.app.close()
    await closed
  })

  it('is answered with 503 when its request is complete only after the API began to close', async () => {
    const { scene, port } = await listen()
    let received = () => 0
    scene.app.server.once('connection', (connection: Socket) => {
      received = () => connection.bytesRead
    })
    const socket = connect(port, '127.0.0.1')
    clients.push(socket)
    let answer = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk
    })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write('GET /api/v1/hosts HTTP/1.1\r\nHo')
    await until(() => received() > 0)
    const closing = scene.app.close()
    await until(() => !scene.app.server.listening)
    socket.write('st: localhost\r\n\r\n')
    await Promise.all([closed, closing])
    expect(answer).toMatch(/^HTTP\/1.1 503 /)
  })

  it('aborts the query when the client closes it', async () => {
    // Its own timeout aborts it too.
    const { scene, port } = await listen({ limits: { queryTimeoutMs: 3_600_000 } })
    scene.way.send('cpu', { host: 'a' }, { v: 1 })
    let asked = false
    let aborted = false
    scene.reader.history = (_query, signal) => {
      asked = true
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      })
    }
    const client = request({
      host: '127.0.0.1',
      port,
      path: '/api/v1/hosts/a/metrics?measurement=cpu&field=v',
      agent: false,
    })
    client.on('error', () => {})
    client.end()
    await until(() => asked)
    client.destroy()
    await until(() => aborted)
    expect(scene.log.join('')).not.toContain('"level":50')
  })

  it('without an HTTP request gets an answer that says so, and is closed', async () => {
    const { port } = await listen({ limits: { maxHeaderBytes: 2_000 } })
    const cases: Array<[string, number]> = [
      ['this is not HTTP\r\n\r\n', 400],
      [`GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(3_000)}\r\n\r\n`, 431],
    ]
    for (const [bytes, status] of cases) {
      const answer = await exchange(port, bytes)
      expect(answer.startsWith(`HTTP/1.1 ${status} `)).toBe(true)
      expect(answer).toContain('Content-Type: application/problem+json')
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ status })
    }
  })
})
