import { basename } from 'node:path'
import {
  Function as FunctionEntry,
  Line,
  Location,
  Mapping,
  Profile,
  Sample,
  StringTable,
  ValueType,
} from 'pprof-format'
import type { Sources } from './sources.ts'

/** The head of a profile. Types and units are those of Go's profiles, which every tool knows. */
export interface ProfileHead {
  /** The name of the process, in the place of a binary: `server`. */
  readonly program: string
  /** Type and unit of each value of a sample, in order. */
  readonly sampleTypes: ReadonlyArray<readonly [type: string, unit: string]>
  readonly defaultSampleType: string
  /** Type, unit and size of the step between two samples. */
  readonly period: readonly [type: string, unit: string, size: number]
  /** The start by the wall clock. */
  readonly startedAtMs: number
  readonly durationMs: number
  readonly comments: readonly string[]
}

/**
 * Builds a profile in the format of https://github.com/google/pprof/blob/main/proto/profile.proto from stacks and their
 * values.
 */
export class ProfileBuilder {
  readonly #sources: Sources
  readonly #strings = new StringTable()
  readonly #functions = new Map<string, FunctionEntry>()
  readonly #locations = new Map<string, Location>()
  readonly #samples = new Map<string, { readonly locationId: readonly number[]; readonly value: number[] }>()

  /** @param sources with the scripts of the profile loaded */
  constructor(sources: Sources) {
    this.#sources = sources
  }

  /**
   * Adds a place in a function, as V8 reports it.
   *
   * @param name empty for a function without a name
   * @returns the id of the location, for `add`
   */
  location(name: string, script: string, scriptLine: number): number {
    const { file, line } = this.#sources.place(script, scriptLine)
    const key = `${name}\n${file}\n${line}`
    let location = this.#locations.get(key)
    if (location === undefined) {
      const functionId = this.#functionId(name === '' ? nameByPlace(file, line) : name, file)
      const id = this.#locations.size + 1
      location = new Location({ id, mappingId: 1, line: [new Line({ functionId, line })] })
      this.#locations.set(key, location)
    }
    return Number(location.id)
  }

  /**
   * Adds values to those of the same stack.
   *
   * @param stack ids of locations, the innermost first
   */
  add(stack: readonly number[], values: readonly number[]): void {
    const key = stack.join()
    const sample = this.#samples.get(key)
    if (sample === undefined) this.#samples.set(key, { locationId: stack, value: [...values] })
    else for (const [i, value] of values.entries()) sample.value[i]! += value
  }

  build(head: ProfileHead): Profile {
    const strings = this.#strings
    const valueType = (type: string, unit: string): ValueType =>
      new ValueType({ type: strings.dedup(type), unit: strings.dedup(unit) })
    const [periodType, periodUnit, period] = head.period
    // Otherwise tools look for a binary with the missing names and lines.
    const known = { hasFunctions: true, hasFilenames: true, hasLineNumbers: true, hasInlineFrames: true }
    return new Profile({
      sampleType: head.sampleTypes.map(([type, unit]) => valueType(type, unit)),
      defaultSampleType: strings.dedup(head.defaultSampleType),
      periodType: valueType(periodType, periodUnit),
      period,
      timeNanos: BigInt(head.startedAtMs) * 1_000_000n,
      durationNanos: Math.round(head.durationMs * 1e6),
      mapping: [new Mapping({ id: 1, filename: strings.dedup(head.program), ...known })],
      sample: Array.from(
        this.#samples.values(),
        ({ locationId, value }) => new Sample({ locationId: [...locationId], value }),
      ),
      location: [...this.#locations.values()],
      function: [...this.#functions.values()],
      comment: head.comments.map((comment) => strings.dedup(comment)),
      stringTable: strings,
    })
  }

  #functionId(name: string, file: string): number {
    const key = `${name}\n${file}`
    let entry = this.#functions.get(key)
    if (entry === undefined) {
      const id = this.#functions.size + 1
      const nameId = this.#strings.dedup(name)
      entry = new FunctionEntry({ id, name: nameId, systemName: nameId, filename: this.#strings.dedup(file) })
      this.#functions.set(key, entry)
    }
    return Number(entry.id)
  }
}

/** A name for a function without one, with its place: tools add up functions of the same name. */
function nameByPlace(file: string, line: number): string {
  return file === '' ? '(anonymous)' : `(anonymous ${basename(file)}:${line})`
}
