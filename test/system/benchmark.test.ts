import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Report } from '../../bench/report/report.ts'
import { readHistogramLog } from '../support/histogram-log.ts'
import { influxQuery } from '../support/influx.ts'
import { readProfile } from '../support/pprof.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { findProgram, freePort, until } from '../support/servers.ts'
import { mountSmallDisk, unmount, whyNoSmallDisk } from '../support/small-disk.ts'

const RUN_MS = 180_000
/** Makes each large write of a process fail as on a full disk. */
const FULL_DISK = new URL('../support/full-disk.mjs', import.meta.url).href

/** Of one test: where its benchmarks have their temporary files, and what they leave. */
let folder: string
let temporary: string
let out: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-benchmark-test-'))
  temporary = join(folder, 'tmp')
  out = join(folder, 'out')
  mkdirSync(temporary)
})
afterEach(async () => {
  await nothingIsLeft()
  rmSync(folder, { recursive: true })
})

function bench(env: Record<string, string>, ...flags: string[]): Program {
  const own = { TMPDIR: temporary, OUT: out, STACK: 'local' }
  return startProgram('bench', { args: ['run', ...flags], env: { ...own, ...env } })
}

/** What runs there or was told of it: the programs of a stack, and who sees to their end. */
function processesOf(place: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`).startsWith(place) ||
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(place)
        )
      } catch {
        // It has ended meanwhile.
        return false
      }
    })
    .map(Number)
}

async function nothingIsLeft(): Promise<void> {
  await until('nothing runs any more', () => processesOf(temporary).length === 0)
  await until('no temporary folder is left', () => readdirSync(temporary).length === 0)
}

describe('a benchmark that cannot be', () => {
  // More settings that cannot be: cmd/bench/run-settings.test.ts.
  const refused: Array<[string, Record<string, string>, string[], number, RegExp]> = [
    ['no time', { DURATION: 'abc' }, [], 78, /^ {2}DURATION: "abc" must be a time from 1s to .*, such as .*$/m],
    ['an unknown flag', {}, ['--wurkers', '5'], 2, /unknown option '--wurkers'/],
    [
      'no Redis',
      { PATH: '/nowhere' },
      [],
      1,
      /redis-server and influxd not found: apt-get install redis-server influxdb/,
    ],
    [
      'no VictoriaMetrics',
      { PATH: '/nowhere', STORE: 'victoria' },
      [],
      1,
      /apt-get install redis-server victoria-metrics$/m,
    ],
    [
      'no engine',
      { PATH: '/nowhere', STACK: 'compose' },
      [],
      1,
      /no containers: no Docker engine answers; STACK=local does without/,
    ],
    ['a folder that cannot be made', { OUT: '/proc/nowhere' }, [], 1, /OUT: \/proc\/nowhere cannot be written to: /],
    ['a file for a folder', { OUT: '/etc/passwd' }, [], 1, /OUT: \/etc\/passwd cannot be written to: it is a file/],
  ]
  it.each(refused)('%s: says so, and ends', async (_what, env, flags, code, message) => {
    const program = bench(env, ...flags)
    expect(await program.ended).toBe(code)
    expect(program.stderr()).toMatch(message)
    expect(program.stdout()).toBe('')
  })

  it('names what was set: a variable that is misspelt is missing there', async () => {
    const program = bench({ WORKERS: '3', DURATON: '1s', PATH: '/nowhere' })
    expect(await program.ended).toBe(1)
    expect(program.stderr()).toMatch(/^settings: WORKERS=3 STACK=local OUT=\S+; --help lists all\n/)
  })

  it('without InfluxDB names its package', async () => {
    const path = join(folder, 'bin')
    mkdirSync(path)
    symlinkSync(findProgram('redis-server', 'redis-server'), join(path, 'redis-server'))
    const program = bench({ PATH: path })
    expect(await program.ended).toBe(1)
    expect(program.stderr()).toContain('bench: influxd not found: apt-get install influxdb')
  })

  it.each(['REDIS_PORT', 'INFLUX_PORT', 'SERVER_ADMIN_PORT'])('on a port that is taken (%s)', async (variable) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? `${address?.port}` : ''
    const program = bench({ [variable]: port })
    expect(await program.ended).toBe(1)
    expect(program.stderr()).toContain(
      `bench: ${variable}: port ${port} of 127.0.0.1 is taken by another program: stop it`,
    )
    await new Promise((resolve) => server.close(resolve))
  })

  it('on a disk that is full', async () => {
    mkdirSync(out)
    const whyNot = whyNoSmallDisk()
    if (whyNot === undefined) mountSmallDisk(out, 64 * 1024)
    else console.warn(`the full disk is played, because none can be mounted here: ${whyNot}`)
    try {
      const program = bench(whyNot === undefined ? {} : { NODE_OPTIONS: `--import=${FULL_DISK}` })
      expect(await program.ended).toBe(1)
      expect(program.stderr()).toMatch(/OUT: .* cannot be written to: its disk has no room/)
      expect(readdirSync(out)).toEqual([])
    } finally {
      if (whyNot === undefined) unmount(out)
    }
  })

  it('with a Redis that does not come up: shows its last words', async () => {
    const path = join(folder, 'bin')
    mkdirSync(path)
    writeFileSync(join(path, 'redis-server'), '#!/bin/sh\necho "no memory for me"\nexit 3\n')
    chmodSync(join(path, 'redis-server'), 0o755)
    const program = bench({ PATH: `${path}:${process.env.PATH}` })
    expect(await program.ended).toBe(1)
    expect(program.stderr()).toMatch(/bench: redis ended with 3; the end of .*redis\.log:\n {2}no memory for me\n/)
  })
})

describe('a benchmark that is cut off', () => {
  const LONG = { DURATION: '10m', RATE: '500', PROFILE: '0' }
  const steps: Array<[string, Record<string, string>, string, NodeJS.Signals, number]> = [
    ['while it starts', {}, 'starting redis-server', 'SIGINT', 130],
    ['in the warm-up', { WARMUP: '10m' }, 'warm-up 1', 'SIGINT', 130],
    ['in the measurement', { WARMUP: '0' }, 'measure 1', 'SIGTERM', 143],
  ]
  it.each(steps)('%s leaves nothing', async (_when, env, sign, signal, code) => {
    const ports = { REDIS_PORT: await freePort(), INFLUX_PORT: await freePort(), SERVER_ADMIN_PORT: await freePort() }
    const texts = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `${port}`]))
    const program = bench({ ...LONG, ...texts, ...env })
    await until(`it says ${sign}`, () => program.stderr().includes(sign))
    program.signal(signal)
    expect(await program.ended).toBe(code)
    expect(program.stderr()).toContain('interrupted: there is no report')
    expect(program.stdout()).toBe('')
    // What ended in order is gone when the program is, and its ports are free.
    expect(processesOf(temporary)).toEqual([])
    expect(readdirSync(temporary)).toEqual([])
    for (const port of Object.values(ports)) await isFree(port)
    expect(existsSync(join(out, 'report.json'))).toBe(false)
  })

  it('twice ends at once, and what it started ends with it', async () => {
    const program = bench({ ...LONG, WARMUP: '0' })
    await until('it measures', () => program.stderr().includes('measure 1'))
    program.signal('SIGINT')
    await until('it stops', () => program.stderr().includes('again ends at once'))
    program.signal('SIGINT')
    expect(await program.ended).toBe(130)
    await nothingIsLeft()
  })

  it('by SIGKILL leaves nothing either', async () => {
    const program = bench({ ...LONG, WARMUP: '0' })
    await until('it measures', () => program.stderr().includes('measure 1'))
    expect(processesOf(temporary).length).toBeGreaterThanOrEqual(4)
    program.signal('SIGKILL')
    expect(await program.ended).toBe('SIGKILL')
    await nothingIsLeft()
  })

  it('by the end of a server says which, and what it said last', async () => {
    const program = bench({ ...LONG, WARMUP: '0' })
    await until('it measures', () => program.stderr().includes('measure 1'))
    const database = processesOf(temporary).find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'influxd\n')
    process.kill(database!, 'SIGKILL')
    expect(await program.ended).toBe(1)
    expect(program.stderr()).toMatch(/bench: influxdb was ended by SIGKILL; the end of .*influxdb\.log:\n {2}/)
  })
})

describe('a benchmark', () => {
  const SHORT = { DURATION: '3s', WARMUP: '500ms', RATE: '1000' }

  const runs: Array<[string, Record<string, string>, number]> = [
    ['JSON over Pub/Sub', { BINARY: 'false' }, 1],
    ['frames over streams, two servers', { FORMAT: 'frame', BROKER: 'streams', SAMPLES: '10', SERVERS: '2' }, 10],
  ]
  it.each(runs)(
    'with %s measures, profiles and reports',
    async (_name, env, samplesPerMessage) => {
      const program = bench({ ...SHORT, PROFILE_SECONDS: '1', ...env })
      expect(await program.ended, program.stderr()).toBe(0)

      const messages = 3000
      const samples = messages * samplesPerMessage
      const lines = ['INTERNAL', 'E2E', 'DURABLE'].map(
        (name) => `${name}_LATENCY_STATS count=(\\d+) p50_us=\\d+ p90_us=\\d+ p99_us=\\d+\n`,
      )
      const counted = new RegExp(lines.join('')).exec(program.stdout())?.slice(1)
      expect(counted?.map(Number)).toEqual([messages, messages, messages])
      expect(program.stdout()).toContain('sent = stored')

      const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report
      const [pass, ...others] = report.passes
      expect(others).toEqual([])
      expect(pass?.load).toMatchObject({
        messages,
        samples,
        stored: samples,
        reportedLost: 0,
        balance: '',
        partial: false,
      })
      expect(report.stack).toMatchObject({
        kind: 'local',
        versions: {
          redis: expect.stringMatching(/^\d/),
          influxdb: expect.stringMatching(/^1\./),
          'Node.js of the server': process.versions.node,
        },
      })
      expect(report.command).toMatch(/^DURATION=3s WARMUP=500ms RATE=1000 .*OUT=.* bash scripts\/benchmark\.sh$/)
      expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('<html')
      expect(
        readdirSync(join(out, 'logs')).filter((name) => /^(redis|influxdb|server.*)\.log$/.test(name)).length,
      ).toBeGreaterThanOrEqual(3)

      const histograms = { log: 'latency.hlog', internal: 'internal.hgrm', e2e: 'e2e.hgrm', durable: 'durable.hgrm' }
      expect(pass?.histograms).toEqual(histograms)
      const durable = readHistogramLog(readFileSync(join(out, histograms.log), 'utf8')).filter(
        ({ tag }) => tag === 'durable',
      )
      expect(durable.reduce((sum, { totalCount }) => sum + totalCount, 0)).toBe(messages)
      for (const name of Object.values(histograms)) expect(program.stderr()).toContain(name)

      const files = readdirSync(out).filter((name) => name.endsWith('.pb.gz'))
      expect(files.map((name) => name.replace(/-\d{8}T\d{6}Z/, '')).sort()).toEqual([
        'cpu.pb.gz',
        'heap.pb.gz',
        'heap.pb.gz',
      ])
      for (const file of files) {
        const profile = readProfile(readFileSync(join(out, file)))
        expect(profile.program).toBe('server')
        const types = file.startsWith('cpu') ? ['samples/count', 'cpu/nanoseconds'] : HEAP_TYPES
        expect(profile.sampleTypes).toEqual(types)
      }
    },
    RUN_MS,
  )

  it(
    'beside the plain pipeline shows three, with files of their own',
    async () => {
      // Few workers: as fast as it can takes both cores from the tests beside.
      const program = bench({ ...SHORT, PIPELINE: 'compare', DURATION: '1s', WORKERS: '3', PROFILE_SECONDS: '1' })
      expect(await program.ended, program.stderr()).toBe(0)
      const { passes } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report
      const compared = ['baseline, json', 'ours, json', 'ours, packed']
      expect(passes.map(({ name, condition }) => [name, condition])).toEqual(
        ['at 1,000 messages/s', 'as fast as it can'].flatMap((condition) => compared.map((name) => [name, condition])),
      )
      for (const { load } of passes) expect(load).toMatchObject({ stored: load.samples, balance: '' })
      expect(passes.map(({ profiles }) => profiles.heap.length)).toEqual([2, 2, 2, 0, 0, 0])
      expect(passes.map(({ histograms }) => histograms?.log)).toEqual(
        ['1000', 'fastest'].flatMap((rate) =>
          ['baseline-json', 'ours-json', 'ours-packed'].map((name) => `latency-${name}-${rate}.hlog`),
        ),
      )
      expect(passes[0]?.profiles.cpu).toMatch(/^cpu-\d{8}T\d{6}Z-baseline-json\.pb\.gz$/)
      expect(program.stdout().match(/_LATENCY_STATS /g)?.length).toBe(18)
      expect(
        readdirSync(out)
          .filter((name) => name.startsWith('logs'))
          .sort(),
      ).toEqual(['logs-baseline-json', 'logs-ours-json', 'logs-ours-packed'])
    },
    RUN_MS,
  )

  it(
    'into VictoriaMetrics finds all samples there',
    async () => {
      const program = bench({ ...SHORT, STORE: 'victoria', PROFILE: '0', DURATION: '1s' })
      expect(await program.ended, program.stderr()).toBe(0)
      const { passes, stack } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report
      expect(passes[0]?.load).toMatchObject({ samples: 1000, stored: 1000, balance: '' })
      expect(Object.keys(stack.versions)).toEqual(['redis', 'victoria-metrics', 'Node.js of the server'])
      expect(readdirSync(out).some((name) => name.endsWith('.pb.gz'))).toBe(false)
    },
    RUN_MS,
  )

  it(
    'of which samples are missing fails, and says how many',
    async () => {
      const port = await freePort()
      const program = bench({ ...SHORT, WARMUP: '0', PROFILE: '0', INFLUX_PORT: `${port}` })
      const url = `http://127.0.0.1:${port}`
      const query = async (text: string) => influxQuery(url, 'telemetry', text).catch(() => [])
      await until(
        'samples are stored',
        async () => Number((await query('SELECT count(cpu) FROM system_stats'))[0]?.count ?? 0) > 100,
      )
      await query('DELETE FROM system_stats')
      expect(await program.ended).toBe(1)
      const { passes } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report
      expect(passes[0]?.load.balance).not.toBe('')
      expect(program.stderr()).toContain(`ours, packed, at 1,000 messages/s: ${passes[0]?.load.balance}`)
      expect(passes[0]?.load.stored).toBeLessThan(3000)
    },
    RUN_MS,
  )
})

const HEAP_TYPES = ['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes']

/** @throws unless somebody else may listen there */
async function isFree(port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  await new Promise((resolve) => server.close(resolve))
}
