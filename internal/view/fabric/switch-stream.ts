import { samplesEvent } from '../../live/event-stream.ts'
import type { Round } from '../../live/round.ts'
import { type FeedSink, StreamClient } from '../../live/stream-client.ts'
import type { FabricGeneration } from './fabric-generation.ts'
import type { FabricView } from './fabric-view.ts'
import { RowWriter } from './json.ts'

/**
 * A client that wants some switches or ports, as they are after each swap. The newest values replace those that it was
 * too slow for, so it is owed nothing.
 */
export class SwitchClient extends StreamClient {
  readonly #view: FabricView
  readonly #ids: ReadonlySet<string>
  /** By fabric: the generation that it was sent. */
  readonly #sent = new Map<string, FabricGeneration>()
  #version = -1

  /** @param ids of switches, of ports, and of switches whose ports are wanted */
  constructor(sink: FeedSink, view: FabricView, ids: Iterable<string>) {
    super(sink)
    this.#view = view
    this.#ids = new Set(ids)
  }

  begin(nowMs: number): void {
    this.write(samplesEvent(this.#news().join(',')), nowMs)
  }

  send(_round: Round, nowMs: number): boolean {
    if (this.#view.version === this.#version) return false
    const news = this.#news()
    if (news.length > 0) this.write(samplesEvent(news.join(',')), nowMs)
    return news.length > 0
  }

  wait(): number {
    return 0
  }

  resume(nowMs: number): void {
    this.waitingSinceMs = undefined
    const news = this.#news()
    if (news.length > 0) this.write(samplesEvent(news.join(',')), nowMs)
  }

  /** The rows of the generations that it does not have yet. */
  #news(): string[] {
    this.#version = this.#view.version
    const { names } = this.#view
    return names.flatMap((name) => {
      const shown = this.#view.shown(name)!
      if (this.#sent.get(name) === shown) return []
      this.#sent.set(name, shown)
      const tags: Record<string, string> = names.length > 1 ? { fabric: name } : {}
      return [...rowsOf(shown, this.#ids)].map((row) => sampleJson(shown, row, tags))
    })
  }
}

function rowsOf(generation: FabricGeneration, ids: ReadonlySet<string>): Set<number> {
  const rows = new Set<number>()
  for (const id of ids) {
    const row = generation.find(id)
    if (row >= 0) rows.add(row)
  }
  for (const { snapshot, firstRow } of generation.targets) {
    const { switches } = snapshot.parts
    const places = new Set(switches)
    for (const place of places) if (place < 0 || !ids.has(snapshot.parts.texts.at(place))) places.delete(place)
    if (places.size === 0) continue
    for (let row = 0; row < switches.length; row++)
      if (places.has(switches[row]!)) rows.add(generation.newest(firstRow + row))
  }
  return rows
}

/** As a reading of the live feed is. @param more tags that tell fabrics apart, where there are several */
function sampleJson(generation: FabricGeneration, row: number, more: Readonly<Record<string, string>>): string {
  const target = generation.targetOf(row)
  const { snapshot } = target
  const own = row - target.firstRow
  const id = snapshot.id(own)
  const name = snapshot.switchOf(own)
  const who = snapshot.parts.subject === 'switch' ? { switch: id } : { ...portTags(id), ...(name && { switch: name }) }
  const tags = { ...who, ...more }
  const about = {
    measurement: snapshot.parts.subject,
    tags,
    at: snapshot.parts.atUs[own],
    arrivedAt: generation.madeAtUs,
  }
  return `${JSON.stringify(about).slice(0, -1)},"fields":${new RowWriter(target, () => true).valuesOf(row)}}`
}

/** Of `<guid>_<port>`. */
function portTags(id: string): { node_guid: string; port_num: string } {
  const end = id.lastIndexOf('_')
  return { node_guid: id.slice(0, end), port_num: id.slice(end + 1) }
}
