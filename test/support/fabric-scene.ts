import type { ApiOptions } from '../../internal/api/api.ts'
import type { Snapshot } from '../../internal/fabric/snapshot.ts'
import { ApiScene } from './api-scene.ts'
import { FabricWriter } from './fabric.ts'
import { until } from './servers.ts'

/** An API to which generations are written. */
export class FabricScene {
  readonly scene: ApiScene
  readonly #writers = new Map<string, FabricWriter>()

  constructor(scene: ApiScene) {
    this.scene = scene
  }

  static async open(options: Partial<ApiOptions> = {}): Promise<FabricScene> {
    return new FabricScene(await ApiScene.open(options))
  }

  /** Shows these rows, 10 s after those before. */
  async show(snapshot: Snapshot, fabric = 'default'): Promise<void> {
    const { way, fabrics } = this.scene
    const writer = this.#writers.get(fabric) ?? new FabricWriter(way.broker.snapshots, { fabric })
    this.#writers.set(fabric, writer)
    way.clock.time += 10e6
    const { id } = await writer.write(way.clock.time, { 'http://a': snapshot })
    await until('it is shown', () => fabrics.shown(fabric)?.id === id)
  }

  get = (url: string, headers: Record<string, string> = {}) => this.scene.ask({ url: `/telemetry/${url}`, headers })
}
