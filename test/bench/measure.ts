import type { Counted } from '../support/counted.ts'
import { calibrate } from './calibration.ts'

/** What one process has found. */
export interface Measured {
  /** Time of an operation in calibrations. */
  readonly ratio: number
  /** CPU time of an operation. */
  readonly ns: number
}

/** Long beside what stands around it, and so short that most rounds fit between two disturbances. */
const SLICE_US = 4000
const WARM_UP_US = 500_000

/**
 * Takes turns: some calls of the benchmark, some calibrations, some calls, … Each is then what it takes in the quieter rounds: there are
 * always some, and a neighbour can only slow it down.
 *
 * Time is CPU time of the process, all its threads: waiting for a core does not count, collecting garbage does.
 */
export async function measure(run: Counted, rounds: number): Promise<Measured> {
  const calibration = async (): Promise<void> => {
    calibrate()
  }
  const calls = await callsPerSlice(run)
  const calibrations = await callsPerSlice(calibration)
  const slices: Array<{ callNs: number; calibrationNs: number }> = []
  for (let round = 0; round < rounds; round++) {
    slices.push({ callNs: await slice(run, calls), calibrationNs: await slice(calibration, calibrations) })
  }
  const ns = quiet(slices.map(({ callNs }) => callNs)) / run.operations
  return { ns, ratio: ns / quiet(slices.map(({ calibrationNs }) => calibrationNs)) }
}

/** The tenth part of all are quicker. */
function quiet(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 10)]!
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
