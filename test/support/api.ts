import { until } from './servers.ts'

export interface HostAnswer {
  readonly host: string
  readonly stale: boolean
  readonly lastSeenAt: number
  readonly clockOffsetMs: number | null
  readonly cpuPercent: number | null
  readonly memPercent: number | null
  readonly os: string | null
}

export interface HistoryAnswer {
  readonly series: Array<{ field: string; tags: Record<string, string>; points: Array<[number, number]> }>
}

/** The query API of a running process, as its users see it. */
export class ApiClient {
  readonly url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(port: number, key?: string) {
    this.#headers = key === undefined ? {} : { 'x-api-key': key }
    this.url = `http://127.0.0.1:${port}`
  }

  async json<T>(path: string): Promise<{ status: number; headers: Headers; body: T }> {
    const response = await fetch(this.url + path, { headers: this.#headers })
    return { status: response.status, headers: response.headers, body: (await response.json()) as T }
  }

  async hosts(): Promise<HostAnswer[]> {
    const { body } = await this.json<{ hosts: HostAnswer[] }>('/api/v1/hosts')
    return body.hosts
  }

  /** Waits for the first sample of a host. @returns the host */
  async firstHost(timeoutMs = 20_000): Promise<HostAnswer> {
    let hosts: HostAnswer[] = []
    await until(
      `a host shows at ${this.url}`,
      async () => {
        hosts = await this.hosts().catch(() => [])
        return hosts.some(({ cpuPercent }) => cpuPercent !== null)
      },
      timeoutMs,
    )
    return hosts[0]!
  }

  async history(host: string, query: Record<string, string>): Promise<HistoryAnswer> {
    const path = `/api/v1/hosts/${encodeURIComponent(host)}/metrics?${new URLSearchParams(query)}`
    const { status, body } = await this.json<HistoryAnswer>(path)
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
    return body
  }

  /** Reads the live stream until `enough` returns true. @returns all samples read */
  async live(enough: (samples: LiveSample[]) => boolean, query = '', timeoutMs = 20_000): Promise<LiveSample[]> {
    const response = await fetch(`${this.url}/api/v1/live${query}`, {
      headers: this.#headers,
      signal: AbortSignal.timeout(timeoutMs),
    })
    const samples: LiveSample[] = []
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        if (!event.includes('event: samples')) continue
        samples.push(...(JSON.parse(event.split('data: ')[1] ?? '[]') as LiveSample[]))
      }
      if (enough(samples)) break
    }
    return samples
  }
}

export interface LiveSample {
  readonly measurement: string
  readonly tags: Record<string, string>
  readonly fields: Record<string, unknown>
  readonly at: number
  readonly stale?: true
}

/** The value of one metric in Prometheus' text, summed over its labels that match. */
export async function metric(url: string, name: string, labels = ''): Promise<number> {
  return sumOf(await (await fetch(`${url}/metrics`)).text(), name, labels)
}

/** The samples that a server has received of others: of one answer, because it makes some of its own meanwhile. */
export async function receivedOfOthers(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return sumOf(text, 'sentinel_received_samples_total') - sumOf(text, 'sentinel_own_samples_total')
}

function sumOf(text: string, name: string, labels = ''): number {
  let sum = 0
  for (const line of text.split('\n')) {
    if (line.startsWith(`${name} `) || (line.startsWith(`${name}{`) && line.includes(labels))) {
      sum += Number(line.slice(line.lastIndexOf(' ') + 1))
    }
  }
  return sum
}
