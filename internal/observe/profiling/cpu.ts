import { Session } from 'node:inspector'
import { setTimeout } from 'node:timers/promises'
import { time } from '@datadog/pprof'
import type { Profile } from 'pprof-format'
import { ProfileBuilder } from './builder.ts'
import { Sources } from './sources.ts'

/**
 * 100 samples a second, as in Go. They cost about 1 % of the throughput (docs/profiling.md); 1,000 a second cost 4 %.
 */
const INTERVAL_US = 10_000

/** How the library names a function without a name, with its line in the JavaScript. */
const NAMELESS = /^\(anonymous/

/**
 * Samples the JavaScript thread every 10 ms, and leaves out the samples in which it waits. The profile is therefore
 * time at work, which equals CPU time as long as the thread has a core.
 *
 * @throws the signal's reason when the signal is aborted
 */
export async function takeCpuProfile(program: string, durationMs: number, signal: AbortSignal): Promise<Profile> {
  signal.throwIfAborted()
  const startedAtMs = Date.now()
  const before = process.cpuUsage()
  const from = performance.now()
  // With `lineNumbers`, a fifth of the samples would have a wrong line: V8 gives the line of inlined code, which can be
  // in another file, and the name of the function around it. Without it, a frame has the line where its function
  // begins, as in heap profiles.
  time.start({ intervalMicros: INTERVAL_US, durationMillis: durationMs, lineNumbers: false })
  let sampled: ReturnType<typeof time.stop>
  try {
    dropOptimizedCode()
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

/**
 * Makes V8 drop its optimized code, so that it compiles it again while the profiler listens. The profiler does not find
 * code that V8 compiled before for a loop which was running (on-stack replacement): all samples of such a function
 * count for its caller. Node.js 24 stays in that code, and 20 does after `--no-concurrent-osr`: of a function that
 * was nothing but a loop, 0 of 40 samples had its name, and with this 39 have.
 *
 * V8 drops the code when a count of calls begins, which ends at once.
 */
function dropOptimizedCode(): void {
  const session = new Session()
  session.connect()
  try {
    session.post('Profiler.enable')
    session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
    session.post('Profiler.stopPreciseCoverage')
    session.post('Profiler.disable')
  } finally {
    session.disconnect()
  }
}

/**
 * Maps the samples from the JavaScript that ran to the TypeScript. Their two values stay: the count, and nanoseconds.
 */
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
