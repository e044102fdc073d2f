import { countOf } from '../../internal/text/count.ts'
import { byId, element, setText } from '../shared/dom.ts'
import type { Port } from './host-ports.ts'
import { type FoundPort, PortFinder, type Ports, reasonOf } from './port-finder.ts'

export interface PortChooserOptions {
  /** The reader wants another port; null for the one that the page finds. */
  readonly choose: (port: string | null, fabric: string | null) => void
  /** The port to show; undefined where there is none. */
  readonly found: (found: FoundPort | undefined) => void
}

/** So many ports are offered; any other one can be written. */
const MOST_OFFERED = 1000

/** Says which switch port stands beside a GPU and why, and lets the reader choose another one. */
export class PortChooser {
  readonly #options: PortChooserOptions
  readonly #finder = new PortFinder()
  readonly #input = byId<HTMLInputElement>('gpu-port')
  #ports: Ports | undefined
  #asked = 0

  constructor(options: PortChooserOptions) {
    this.#options = options
    this.#input.addEventListener('change', () => this.#take(this.#input.value.trim()))
    this.#input.addEventListener('focus', () => this.#offer())
  }

  show(host: string, chosen: { readonly port: string | null; readonly fabric: string | null }): void {
    this.close()
    void this.#find(host, chosen, this.#asked)
  }

  close(): void {
    this.#asked++
    this.#ports = undefined
  }

  async #find(
    host: string,
    chosen: { readonly port: string | null; readonly fabric: string | null },
    asked: number,
  ): Promise<void> {
    try {
      const ports = await this.#finder.find(host, chosen)
      if (asked !== this.#asked) return
      this.#ports = ports
      this.#input.value = ports.shown?.port.id ?? chosen.port ?? ''
      setText(byId('gpu-port-why'), whyOf(ports, host, chosen.port))
      byId('gpu-port-choice').hidden = ports.all.length === 0
      this.#options.found(ports.shown)
    } catch (error) {
      const reason = reasonOf(error)
      if (asked === this.#asked) setText(byId('gpu-port-why'), `The ports of the fabrics cannot be read now: ${reason}`)
    }
  }

  #take(id: string): void {
    const port = this.#ports?.all.find((one) => one.id === id || `${one.node} ${one.id}` === id)
    if (id === '') this.#options.choose(null, null)
    else if (port === undefined) setText(byId('gpu-port-why'), `No fabric has a switch or port named ${id}.`)
    else this.#options.choose(port.id, port.fabric)
  }

  /** Ports of the host come first. */
  #offer(): void {
    const { own = [], all = [] } = this.#ports ?? {}
    const offered: readonly Port[] = [...own, ...all.filter((port) => !own.includes(port))].slice(0, MOST_OFFERED)
    byId('gpu-ports').replaceChildren(
      ...offered.map(({ id, node }) => element('option', { value: id, ...(node === '' ? {} : { text: node }) })),
    )
  }
}

/** Why this port stands beside the GPU, or why none does. */
export function whyOf({ own, all, shown }: Ports, host: string, chosen: string | null): string {
  if (all.length === 0) return 'No fabric is watched, so no switch port stands beside it.'
  if (chosen !== null) return shown === undefined ? `No fabric has a switch or port named ${chosen} now.` : 'as chosen'
  if (shown === undefined)
    return `No port says that it belongs to ${host || 'its host'}: none has a node description that begins with its name. Choose one.`
  const others = own.length === 1 ? '' : `, the first of ${countOf(own.length, 'port')}`
  return `its node is described as ${shown.port.node}${others}`
}
