import { gunzipSync } from 'node:zlib'
import { Profile } from 'pprof-format'

export interface ReadFrame {
  readonly name: string
  readonly file: string
  readonly line: number
}

/** A pprof file, decoded for tests. */
export interface ReadProfile {
  /** `cpu/nanoseconds` */
  readonly sampleTypes: readonly string[]
  readonly defaultSampleType: string
  readonly period: string
  readonly startedAtMs: number
  readonly durationMs: number
  readonly comments: readonly string[]
  /** The name of the process. */
  readonly program: string
  /** Stacks with the innermost frame first, and their values in the order of the types. */
  readonly samples: ReadonlyArray<{ readonly stack: readonly ReadFrame[]; readonly values: readonly number[] }>
}

/** @throws unless it is a gzipped profile in which every reference is valid */
export function readProfile(file: Uint8Array): ReadProfile {
  const profile = Profile.decode(gunzipSync(file))
  const text = (index: number | bigint): string => {
    const string = profile.stringTable.strings[Number(index)]
    if (string === undefined) throw new Error(`no string ${index}`)
    return string
  }
  const byId = <T extends { id: number | bigint }>(entries: readonly T[]): ((id: number | bigint) => T) => {
    const map = new Map(entries.map((entry) => [Number(entry.id), entry]))
    if (map.size !== entries.length) throw new Error('two entries have one id')
    return (id) => {
      const entry = map.get(Number(id))
      if (entry === undefined) throw new Error(`no entry ${id}`)
      return entry
    }
  }
  const [functionOf, locationOf, mappingOf] = [byId(profile.function), byId(profile.location), byId(profile.mapping)]
  const frame = (id: number | bigint): ReadFrame => {
    const { line, mappingId } = locationOf(id)
    mappingOf(mappingId)
    if (line.length !== 1) throw new Error(`a location of ${line.length} lines`)
    const { name, filename } = functionOf(line[0]!.functionId)
    return { name: text(name), file: text(filename), line: Number(line[0]!.line) }
  }
  const typed = ({ type, unit }: { type: number | bigint; unit: number | bigint }): string =>
    `${text(type)}/${text(unit)}`
  return {
    sampleTypes: profile.sampleType.map(typed),
    defaultSampleType: text(profile.defaultSampleType),
    period: `${profile.period} ${typed(profile.periodType!)}`,
    startedAtMs: Number(profile.timeNanos) / 1e6,
    durationMs: Number(profile.durationNanos) / 1e6,
    comments: profile.comment.map(text),
    program: text(profile.mapping[0]!.filename),
    samples: profile.sample.map(({ locationId, value }) => ({
      stack: locationId.map(frame),
      values: value.map(Number),
    })),
  }
}

/** The own value of each function, without the functions that it calls; the largest first. */
export function flat(profile: ReadProfile, sampleType: string): Array<[name: string, value: number]> {
  const index = profile.sampleTypes.indexOf(sampleType)
  if (index < 0) throw new Error(`no ${sampleType} among ${profile.sampleTypes.join(', ')}`)
  const sums = new Map<string, number>()
  for (const { stack, values } of profile.samples) {
    const { name, file } = stack[0]!
    const key = `${name} ${file}`
    sums.set(key, (sums.get(key) ?? 0) + values[index]!)
  }
  return [...sums].filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a)
}
