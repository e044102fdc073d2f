import { readFile } from 'node:fs/promises'
import { basename, isAbsolute } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Profile } from 'pprof-format'

/**
 * Where a function belongs: to this package, to a dependency, to the JavaScript of Node.js, to native code (system
 * calls, V8 itself), or to the garbage collector.
 */
export type Origin = 'own' | 'package' | 'node' | 'native' | 'collector'

export interface Frame {
  readonly name: string
  /** Relative to the folder of the package; empty for native code. */
  readonly file: string
  /** Where the function begins; 0 where it is not known. */
  readonly line: number
  readonly origin: Origin
}

/**
 * A tree of calls in depth-first order: each node after its caller. Of siblings the one with the larger value comes
 * first.
 */
export interface Flame {
  readonly unit: 'nanoseconds' | 'bytes'
  readonly frames: readonly Frame[]
  /** What the profile says about itself, in sentences. */
  readonly comments: readonly string[]
  readonly nodes: {
    /** Index into `frames`. */
    readonly frame: readonly number[]
    /** Its depth: 0 has no caller in the profile. */
    readonly depth: readonly number[]
    /** Its own value plus that of everything it calls. */
    readonly value: readonly number[]
  }
}

/** Type and unit, as in the file. */
export type SampleType = 'cpu/nanoseconds' | 'alloc_space/bytes'

const unzipped = promisify(gunzip)

/** How profiles name the work of the garbage collector on the JavaScript thread. */
const COLLECTOR = 'Garbage Collection'

/**
 * @param path a gzipped pprof file
 * @returns undefined if it has no sample of that type: nothing ran, or nothing was allocated
 * @throws if it is not such a file, or has no such type
 */
export async function readFlame(path: string, sampleType: SampleType): Promise<Flame | undefined> {
  return flameOf(Profile.decode(await unzipped(await readFile(path))), sampleType)
}

interface Call {
  readonly frame: number
  readonly callees: Map<number, Call>
  value: number
}

export function flameOf(profile: Profile, sampleType: SampleType): Flame | undefined {
  const text = (index: number | bigint): string => profile.stringTable.strings[Number(index)]!
  const typeIndex = profile.sampleType.findIndex(({ type, unit }) => `${text(type)}/${text(unit)}` === sampleType)
  if (typeIndex < 0) throw new Error(`the profile has no ${sampleType}`)
  const frameOf = new Map(profile.location.map(({ id }, index) => [Number(id), index]))
  const root: Call = { frame: -1, callees: new Map(), value: 0 }
  for (const { locationId, value } of profile.sample) {
    const size = Number(value[typeIndex]!)
    root.value += size
    let call = root
    // The innermost comes first in a profile.
    for (let i = locationId.length - 1; size > 0 && i >= 0; i--) {
      call = calleeOf(call, frameOf.get(Number(locationId[i]!))!)
      call.value += size
    }
  }
  if (root.value === 0) return undefined
  const nodes = { frame: [] as number[], depth: [] as number[], value: [] as number[] }
  walk(root, 0, ({ frame, value }, depth) => {
    nodes.frame.push(frame)
    nodes.depth.push(depth)
    nodes.value.push(value)
  })
  return {
    unit: sampleType === 'cpu/nanoseconds' ? 'nanoseconds' : 'bytes',
    frames: framesOf(profile, text),
    comments: profile.comment.map(text),
    nodes,
  }
}

function calleeOf({ callees }: Call, frame: number): Call {
  let callee = callees.get(frame)
  if (callee === undefined) {
    callee = { frame, callees: new Map(), value: 0 }
    callees.set(frame, callee)
  }
  return callee
}

function walk(caller: Call, depth: number, visit: (call: Call, depth: number) => void): void {
  for (const call of [...caller.callees.values()].sort((a, b) => b.value - a.value)) {
    visit(call, depth)
    walk(call, depth + 1, visit)
  }
}

/** One for each location of the profile, in their order. */
function framesOf(profile: Profile, text: (index: number | bigint) => string): Frame[] {
  const functions = new Map(profile.function.map((entry) => [Number(entry.id), entry]))
  return profile.location.map((location) => {
    const { functionId, line } = location.line[0]!
    const { name, filename } = functions.get(Number(functionId))!
    const path = text(filename)
    // A path of this machine means nothing elsewhere, and may contain the name of its user.
    const file = isAbsolute(path) ? basename(path) : path
    return { name: text(name), file, line: Number(line), origin: originOf(text(name), file) }
  })
}

function originOf(name: string, file: string): Origin {
  if (file === '') return name === COLLECTOR ? 'collector' : 'native'
  if (file.startsWith('node:')) return 'node'
  return file.startsWith('node_modules/') ? 'package' : 'own'
}
