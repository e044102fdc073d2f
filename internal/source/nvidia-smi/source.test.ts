import { chmod, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { until } from '../../../test/support/servers.ts'
import { GpuReadings } from '../../gpu/readings.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import type { Refusal } from '../../sample/border.ts'
import { SeriesTable } from '../../sample/series.ts'
import { NvidiaSmiSource } from './source.ts'

const silent = pino({ level: 'silent' })
/** As drivers of the 535 line print it: a card of a data centre, and one of a workstation. */
const H100 =
  '0, GPU-a, NVIDIA H100 80GB HBM3, 00000000:19:00.0, 535.129.03, P0, 57, 20, 0, 0, 81559, 3, 81556, 619, 35, 44, 70.52, 700.00, 1980, 2619, 1545, 1980, 2619, [N/A], 0, 0, 0, 0'
const RTX =
  '1, GPU-b, NVIDIA GeForce RTX 4090, 00000000:65:00.0, 535.129.03, P8, 0, 1, 0, 0, 24564, 15, 24210, 338, 32, [N/A], 12.10, 450.00, 210, 405, 1185, 3105, 10501, 30, [N/A], [N/A], [N/A], [N/A]'
const OF_H100 = {
  ...{ performance_state: 0, utilization_percent: 57, memory_copy_percent: 20, encoder_percent: 0, decoder_percent: 0 },
  ...{ memory_total_bytes: 85_520_809_984, memory_used_bytes: 3_145_728, memory_free_bytes: 85_517_664_256 },
  ...{ memory_reserved_bytes: 649_068_544, temperature_celsius: 35, memory_temperature_celsius: 44 },
  ...{ power_watts: 70.52, power_limit_watts: 700, sm_clock_hertz: 1.98e9, memory_clock_hertz: 2.619e9 },
  ...{ video_clock_hertz: 1.545e9, sm_max_clock_hertz: 1.98e9, memory_max_clock_hertz: 2.619e9 },
  ...{ ecc_sbe_volatile: 0, ecc_dbe_volatile: 0, ecc_sbe_aggregate: 0, ecc_dbe_aggregate: 0 },
}

let folder: string
let program: string
const stops: Array<() => Promise<void>> = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-smi-'))
  program = join(folder, 'nvidia-smi')
})
afterEach(async () => {
  vi.useRealTimers()
  for (const stop of stops.splice(0)) await stop()
  await rm(folder, { recursive: true })
})

/** A program in its place. It writes down how it was called. */
async function standIn(script: string): Promise<void> {
  await writeFile(program, `#!/bin/sh\necho "$@" >> ${join(folder, 'calls')}\n${script}\n`)
  await chmod(program, 0o755)
}
const say = (...lines: string[]): string => `cat <<'END'\n${lines.join('\n')}\nEND`
const calls = async (): Promise<string[]> => (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n')

/** Waits for the world outside, also while timers stand still. */
async function turnsUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

function start(path = program, intervalMs = 1000) {
  const rounds: Array<Array<{ gpu: string; fields: Record<string, unknown>; at: number }>> = []
  const refused: Array<Refusal['reason']> = []
  const readings = new GpuReadings({ table: new SeriesTable(), host: 'n1' })
  const abort = new AbortController()
  const source = new NvidiaSmiSource({
    ...{ path, intervalMs, readings, logger: silent, throttle: new LogThrottle(silent) },
    flush: () => {
      const round: (typeof rounds)[number] = []
      readings.flush(({ series, values, at }) => {
        if (series.measurement !== 'gpu') return
        const fields = series.fieldNames.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]]))
        round.push({ gpu: series.tag('uuid')!, fields: Object.fromEntries(fields), at })
      })
      rounds.push(round)
    },
    onRefused: ({ reason }) => refused.push(reason),
    clock: { now: () => Date.now() * 1000 },
    pauses: { firstMs: 20, largestMs: 100 },
  })
  const running = source.run(abort.signal)
  const stop = async (): Promise<void> => {
    abort.abort()
    await running
  }
  stops.push(stop)
  return { source, rounds, refused, readings, stop }
}

describe('NvidiaSmiSource', () => {
  it('starts the program once, and takes a sample a GPU and round, all of one time', async () => {
    await standIn(`while :; do ${say(H100, RTX)}\nsleep 0.3; done`)
    const { rounds, source, readings } = start()
    await until('two rounds', () => rounds.length >= 2)
    const [first] = rounds
    expect(first!.map(({ gpu }) => gpu)).toEqual(['GPU-a', 'GPU-b'])
    expect(first![0]!.fields).toEqual(OF_H100)
    expect(first![1]!.fields).toMatchObject({ performance_state: 8, fan_percent: 30, power_watts: 12.1 })
    expect(first![1]!.fields).not.toHaveProperty('memory_temperature_celsius')
    expect(new Set(first!.map(({ at }) => at)).size).toBe(1)
    expect(rounds[1]![0]!.at).toBeGreaterThan(first![0]!.at)
    expect(source).toMatchObject({ isUp: true, starts: 1, badLines: 0 })
    expect(readings.counts.missing).toBeGreaterThan(0)
    const [asked] = await calls()
    expect(asked).toMatch(/^--query-gpu=index,uuid,name,.* --format=csv,noheader,nounits -l 1$/)
  })

  it.each([
    ['the driver is gone', say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."), 9],
    ['there is no GPU', say('No devices were found'), 6],
    ['it says nothing', 'true', 0],
  ])('starts the program again when %s', async (_, script, code) => {
    await standIn(`${script}\nexit ${code}`)
    const { source } = start()
    await until('it is started again', () => source.starts >= 3)
    expect(source.isUp).toBe(false)
    await standIn(`${say(H100)}\nexec sleep 60`)
    await until('it gives readings', () => source.isUp)
  })

  it.each([
    ['three intervals', 10_000, 30_000],
    ['15 s where three intervals are shorter', 1000, 15_000],
  ])('ends a program that says nothing for %s, and starts it again', async (_, intervalMs, silentMs) => {
    await standIn(
      `${say(H100)}\nwhile [ ! -e ${join(folder, 'go')} ]; do sleep 0.01; done\n${say(H100)}\nexec sleep 60`,
    )
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { source, readings } = start(program, intervalMs)
    await turnsUntil(() => source.isUp)
    await vi.advanceTimersByTimeAsync(silentMs - 1)
    const { read } = readings.counts
    // A line begins the time anew.
    await writeFile(join(folder, 'go'), '')
    await turnsUntil(() => readings.counts.read > read)
    await vi.advanceTimersByTimeAsync(silentMs - 1)
    await new Promise((resolve) => setImmediate(resolve))
    expect([source.isUp, source.starts]).toEqual([true, 1])
    await vi.advanceTimersByTimeAsync(1)
    await turnsUntil(() => !source.isUp)
    vi.useRealTimers()
    await until('it is started again', () => source.starts === 2 && source.isUp)
  })

  it('waits for a program that is not there yet', async () => {
    const { source } = start()
    await until('it is tried again', () => source.starts >= 2)
    await standIn(`${say(H100)}\nexec sleep 60`)
    await until('it gives readings', () => source.isUp)
  })

  it('waits for a program that is being written', async () => {
    await standIn(`${say(H100)}\nexec sleep 60`)
    const writer = await open(program, 'r+')
    const { source } = start()
    await until('it is tried again', () => source.starts >= 2)
    expect(source.isUp).toBe(false)
    await writer.close()
    await until('it gives readings', () => source.isUp)
  })

  it('takes the other GPUs when one has fallen off the bus', async () => {
    const lost = 'Unable to determine the device handle for GPU 0000:65:00.0: Unknown Error'
    await standIn(`${say(lost, H100)}\nexec sleep 60`)
    const { rounds, source } = start()
    await until('a round', () => rounds.length === 1)
    expect(rounds[0]!.map(({ gpu }) => gpu)).toEqual(['GPU-a'])
    expect(source.badLines).toBe(1)
  })

  it('asks an older program for the columns that it knows', async () => {
    const older = RTX.split(', ')
    older.splice(8, 2)
    await standIn(
      `case "$1" in
*utilization.encoder*) ${say('Field "utilization.encoder" is not a valid field to query.')}\nexit 2;;
*utilization.decoder*) ${say('Field "utilization.decoder" is not a valid field to query.')}\nexit 2;;
esac
${say(older.join(', '))}\nexec sleep 60`,
    )
    const { rounds, source } = start()
    await until('a round', () => rounds.length === 1)
    expect(rounds[0]![0]!.fields).toMatchObject({ memory_total_bytes: 24_564 * 2 ** 20, fan_percent: 30 })
    expect(source).toMatchObject({ starts: 3, badLines: 0 })
  })

  it('refuses what cannot be, and takes the rest of the line', async () => {
    await standIn(
      `${say(H100.replace(', 57,', ', 4294967295,').replace(', 35,', ', [Unknown Error],'))}\nexec sleep 60`,
    )
    const { rounds, refused } = start()
    await until('a round', () => rounds.length === 1)
    const { utilization_percent, temperature_celsius, ...rest } = OF_H100
    expect(rounds[0]![0]!.fields).toEqual(rest)
    expect(refused).toEqual(['out_of_range'])
  })

  it('ends the program at a stop, also one that does not listen', async () => {
    await standIn(`trap '' TERM\necho $$ > ${join(folder, 'pid')}\n${say(H100)}\nwhile :; do sleep 0.05; done`)
    const { source, stop } = start()
    await until('it gives readings', () => source.isUp)
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
    await stop()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})
