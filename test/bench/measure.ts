import type { Counted } from '../support/counted.ts'
import { calibrate } from './calibration.ts'
import { median } from './median.ts'

/** What one process has found; medians over the rounds. */
export interface Measured {
  /** Time of an operation in calibrations. */
  readonly ratio: number
  /** CPU time of an operation, and of a calibration. */
  readonly ns: number
  readonly calibrationNs: number
}

/** Long beside what stands around it, and so short that most rounds fit between two disturbances. */
const SLICE_US = 4000
const WARM_UP_US = 500_000

/**
 * Takes turns: some calibrations, some calls of the benchmark, some calibrations, … and compares each turn with the two beside it.
 *
 * Time is CPU time of the process, all its threads: waiting for a core does not count, collecting garbage does. On a machine of two cores that
 * carried three other loads one benchmark took 1,160 to 1,840 ns by the clock, and 0.59 to 0.66 calibrations.
 */
export async function measure(run: Counted, rounds: number): Promise<Measured> {
  const once = async (): Promise<void> => {
    calibrate()
  }
  const calls = await callsPerSlice(run)
  const calibrations = await callsPerSlice(once)
  const turns: Measured[] = []
  let before = await slice(once, calibrations)
  for (let round = 0; round < rounds; round++) {
    const ns = (await slice(run, calls)) / run.operations
    const after = await slice(once, calibrations)
    const calibrationNs = (before + after) / 2
    turns.push({ ratio: ns / calibrationNs, ns, calibrationNs })
    before = after
  }
  return {
    ratio: median(turns.map(({ ratio }) => ratio)),
    ns: median(turns.map(({ ns }) => ns)),
    calibrationNs: median(turns.map(({ calibrationNs }) => calibrationNs)),
  }
}

/** Runs it until it is as fast as it will be. */
async function callsPerSlice(run: () => Promise<void>): Promise<number> {
  let tookNs = 0
  for (const endUs = cpuUs() + WARM_UP_US; cpuUs() < endUs; ) tookNs = await slice(run, 1)
  return Math.max(1, Math.round((SLICE_US * 1000) / tookNs))
}

/** @returns ns a call */
async function slice(run: () => Promise<void>, calls: number): Promise<number> {
  const before = cpuUs()
  for (let call = 0; call < calls; call++) await run()
  return ((cpuUs() - before) * 1000) / calls
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
