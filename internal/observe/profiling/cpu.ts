import { setTimeout } from 'node:timers/promises'
import { time } from '@datadog/pprof'
import type { Profile } from 'pprof-format'
import { ProfileBuilder } from './builder.ts'
import { Sources } from './sources.ts'

/** 100 looks a second, as Go does. They cost about 1 % of the throughput (docs/profiling.md); 1,000 a second cost 4 %. */
const INTERVAL_US = 10_000

/** A function without a name as the library calls it: the line in it is that of the JavaScript. */
const NAMELESS = /^\(anonymous/

/**
 * What the JavaScript thread is at, looked at every 10 ms; the looks that find it waiting are left out. So it is time at work, which is
 * CPU time as long as there is a core for it.
 *
 * @throws the signal's reason as soon as that is aborted
 */
export async function takeCpuProfile(program: string, durationMs: number, signal: AbortSignal): Promise<Profile> {
  signal.throwIfAborted()
  const startedAtMs = Date.now()
  const before = process.cpuUsage()
  const from = performance.now()
  // The lines that `lineNumbers` would give are wrong for a fifth of the looks: V8 says the line of what it has inlined, which may be in
  // another file, and the name of the function around it. So a frame has the line where its function begins, as in heap profiles.
  time.start({ intervalMicros: INTERVAL_US, durationMillis: durationMs, lineNumbers: false })
  let sampled: ReturnType<typeof time.stop>
  try {
    await setTimeout(durationMs, undefined, { signal })
  } finally {
    sampled = time.stop()
  }
  const tookMs = performance.now() - from
  const { user, system } = process.cpuUsage(before)
  const builder = await rebuild(sampled)
  return builder.build({
    program,
    sampleTypes: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    defaultSampleType: 'cpu',
    period: ['cpu', 'nanoseconds', Number(sampled.period)],
    startedAtMs,
    durationMs: tookMs,
    comments: [
      `The JavaScript thread at work, sampled every ${INTERVAL_US / 1e3} ms; waiting is left out.`,
      'What V8 has inlined may count for the function that it was inlined into. Lines are where functions begin.',
      `The whole process, other threads included, used ${((user + system) / 1e6).toFixed(3)} s of CPU meanwhile.`,
    ],
  })
}

/** The same samples over the TypeScript in place of the JavaScript that ran. Their two values stay: looks, and nanoseconds. */
async function rebuild(sampled: ReturnType<typeof time.stop>): Promise<ProfileBuilder> {
  const { strings } = sampled.stringTable
  const functions = new Map(
    sampled.function.map(({ id, name, filename }) => [
      id,
      [strings[Number(name)]!, strings[Number(filename)]!] as const,
    ]),
  )
  const sources = new Sources()
  await sources.load(Array.from(functions.values(), ([, script]) => script))
  const builder = new ProfileBuilder(sources)
  const locations = new Map(
    sampled.location.map(({ id, line: [innermost] }) => {
      const [name, script] = functions.get(innermost!.functionId)!
      return [id, builder.location(NAMELESS.test(name) ? '' : name, script, Number(innermost!.line))]
    }),
  )
  for (const { locationId, value } of sampled.sample) {
    builder.add(
      locationId.map((id) => locations.get(id)!),
      value.map(Number),
    )
  }
  return builder
}
