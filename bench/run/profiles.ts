import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deferred } from '../../internal/time/deferred.ts'
import { type LoadOptions, runLoad } from '../load/load.ts'
import type { Profiles } from '../report/report.ts'

/** The length of a heap profile: the server's default. */
const HEAP_SECONDS = 10
const WARMUP_MS = 1000
/** Time to start and end the profiles, in addition to their length, on a machine that is busy with the load. */
const SLACK_MS = 60_000

export interface ProfileRequest {
  readonly load: LoadOptions
  /**
   * Length of the CPU profile. The two heap profiles, one before it and one after, take as long, but at most ten
   * seconds each.
   */
  readonly seconds: number
  readonly folder: string
  /** Added to the end of the file names. */
  readonly suffix: string
}

/**
 * Runs a load once more without counting it, and takes profiles of the first server meanwhile. So the results of a
 * benchmark come from a server without a profiler.
 */
export async function profileUnderLoad(request: ProfileRequest, signal: AbortSignal): Promise<Profiles> {
  const { load, seconds } = request
  const heapSeconds = Math.min(seconds, HEAP_SECONDS)
  const measuring = deferred()
  const enough = new AbortController()
  const stop = AbortSignal.any([signal, enough.signal])

  const play = async (): Promise<never> => {
    const durationMs = (seconds + 2 * heapSeconds) * 1000 + SLACK_MS
    const onProgress: LoadOptions['onProgress'] = (progress) => {
      if (progress.step === 'measure') measuring.resolve()
      // It stops when the profiles are taken, so its planned length is not shown.
      load.onProgress({ ...progress, ofMs: 0 })
    }
    await runLoad({ ...load, warmupMs: WARMUP_MS, durationMs, countStored: undefined, onProgress }, stop)
    throw new Error('the load ended before the profiles were taken')
  }
  const take = async (): Promise<Profiles> => {
    await measuring.promise
    const first = await saveProfile('heap', heapSeconds, request, stop)
    const cpu = await saveProfile('profile', seconds, request, stop)
    const second = await saveProfile('heap', heapSeconds, request, stop)
    return { cpu, heap: [first, second] }
  }

  const playing = play()
  try {
    return await Promise.race([take(), playing])
  } finally {
    enough.abort()
    await playing.catch(() => {})
  }
}

/** @returns the path of the file: `cpu-20261124T013000Z.pb.gz` */
async function saveProfile(
  kind: 'profile' | 'heap',
  seconds: number,
  { load, folder, suffix }: ProfileRequest,
  signal: AbortSignal,
): Promise<string> {
  const url = `${load.servers[0]}/debug/pprof/${kind}?seconds=${seconds}`
  const response = await fetch(url, { signal })
  if (!response.ok) throw new Error(`${url} says ${response.status}: ${await response.text()}`)
  const [, name = kind] = /filename="(.*)\.pb\.gz"/.exec(response.headers.get('content-disposition') ?? '') ?? []
  const path = join(folder, `${name}${suffix}.pb.gz`)
  await writeFile(path, new Uint8Array(await response.arrayBuffer()))
  return path
}
