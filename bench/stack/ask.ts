import { once } from 'node:events'
import { connect } from 'node:net'

/** @returns the version of a Redis that is up @throws Error that says why it is not */
export async function askRedis(port: number, signal: AbortSignal): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', signal })
  try {
    await once(socket, 'connect', { signal })
    socket.write('INFO server\r\n')
    let answer = ''
    for await (const chunk of socket) {
      answer += String(chunk)
      const version = /^redis_version:(.*?)\r$/m.exec(answer)?.[1]
      if (version !== undefined) return version
      // It is still loading its data, or wants a password.
      if (answer.startsWith('-')) break
    }
    throw new Error(`Redis says ${JSON.stringify(answer.slice(0, 100))}`)
  } finally {
    socket.destroy()
  }
}

/** @returns the version of an InfluxDB that is up */
export async function askInflux(url: string, signal: AbortSignal): Promise<string> {
  const { headers } = await get(`${url}/ping`, signal)
  return (headers.get('x-influxdb-version') ?? 'unknown').replace(/^v/, '')
}

/** @returns the version of a VictoriaMetrics that is up */
export async function askVictoria(url: string, signal: AbortSignal): Promise<string> {
  const { body } = await get(`${url}/metrics`, signal)
  return /vm_app_version\{.*short_version="v?([^"]*)"/.exec(body)?.[1] || 'unknown'
}

/** @returns the version of the Node.js that runs a server of ours, which is ready */
export async function askServer(admin: string, signal: AbortSignal): Promise<string> {
  await get(`${admin}/ready`, signal)
  const { body } = await get(`${admin}/health`, signal)
  return (JSON.parse(body) as { node: string }).node
}

/** @throws Error with the answer, unless its status is 2xx */
async function get(url: string, signal: AbortSignal): Promise<{ headers: Headers; body: string }> {
  const response = await fetch(url, { signal })
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} says ${response.status}: ${body.trim().slice(0, 300)}`)
  return { headers: response.headers, body }
}
