import { type Fabric, getCells, getFabrics } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import { type Port, portsOf, portsOfHost } from './host-ports.ts'

export interface FoundPort {
  readonly port: Port
  readonly fabric: Fabric
}

/** What is known of the ports beside a GPU. */
export interface Ports {
  /** Those of its host, by the description of their nodes. */
  readonly own: readonly Port[]
  readonly all: readonly Port[]
  /** The one that is shown: the one that was chosen, else the first of the host. */
  readonly shown: FoundPort | undefined
}

/** The rows of fabrics are asked for again after this: 100,000 ports are 3 MB. */
const KNOWN_MS = 60_000

/** Finds the switch port of a host. */
export class PortFinder {
  #known: Promise<{ readonly fabrics: readonly Fabric[]; readonly ports: readonly Port[] }> | undefined
  #readAtMs = -Infinity

  /** @throws ApiError where the fabrics cannot be read now */
  async find(host: string, chosen: { readonly port: string | null; readonly fabric: string | null }): Promise<Ports> {
    if (this.#known === undefined || performance.now() - this.#readAtMs > KNOWN_MS) {
      this.#known = readPorts()
      this.#readAtMs = performance.now()
    }
    try {
      const { fabrics, ports } = await this.#known
      const own = portsOfHost(ports, host)
      const isChosen = ({ id, fabric }: Port): boolean =>
        id === chosen.port && (chosen.fabric === null || chosen.fabric === fabric)
      const port = chosen.port === null ? own[0] : ports.find(isChosen)
      const fabric = fabrics.find((one) => one.fabric === port?.fabric)
      return { own, all: ports, shown: port === undefined || fabric === undefined ? undefined : { port, fabric } }
    } catch (error) {
      this.#known = undefined
      throw error
    }
  }
}

async function readPorts(): Promise<{ fabrics: readonly Fabric[]; ports: readonly Port[] }> {
  const { signal } = new AbortController()
  const fabrics = await getFabrics(signal)
  const all = await Promise.all(
    fabrics.map(async ({ fabric, metrics: [metric] }) => {
      if (metric === undefined) return []
      return portsOf(fabric, await getCells({ fabric, metric: metric.name, by: 'value' }, signal))
    }),
  )
  return { fabrics, ports: all.flat() }
}

/** Why the fabrics cannot be read, in words. @throws what is no answer of the API */
export function reasonOf(error: unknown): string {
  if (!(error instanceof ApiError)) throw error
  return error.status === 0 ? 'the API does not answer' : error.detail
}
