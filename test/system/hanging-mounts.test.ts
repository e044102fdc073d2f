import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startRedis, type TestServer, until } from '../support/servers.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const RECORDED = join(import.meta.dirname, '../../internal/source/host/testdata/container/tick0')

/** Mounts that nobody answers for: five of a ZFS pool, three of two NFS servers, and a disk. */
const DEAD = [
  ...[1, 2, 3, 4, 5].map((i) => `70${i} 600 0:7${i} / /tank/${i} rw - zfs tank/${i} rw`),
  ...['a:/x', 'a:/y', 'b:/z'].map((device, i) => `80${i} 600 0:8${i} / /mnt/${i} rw - nfs4 ${device} rw`),
  '900 600 8:17 / /mnt/usb rw - ext4 /dev/sdb1 rw',
]

/**
 * Loaded into the program before it starts. A call for a path of a dead mount opens a named pipe that nobody writes to, so
 * it waits in a real thread of the pool for ever, as statfs(2) does for a dead NFS server.
 */
const preload = (fifo: string): string => `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { open, stat, statfs } = fs.promises
const isDead = (path) => /\\/(tank|mnt)\\//.test(String(path))
fs.promises.stat = (path, ...rest) => isDead(path) ? open(${JSON.stringify(fifo)}) : stat(path, ...rest)
fs.promises.statfs = (path, ...rest) => isDead(path) ? open(${JSON.stringify(fifo)}) : statfs(path, ...rest)
syncBuiltinESMExports()
`

let redis: TestServer
let root = ''
beforeAll(async () => {
  redis = await startRedis()
  root = mkdtempSync(join(tmpdir(), 'hanging-'))
  cpSync(RECORDED, root, { recursive: true })
  const mounts = ['600 500 0:52 / / rw - overlay overlay rw', ...DEAD].join('\n')
  writeFileSync(join(root, 'proc/1/mountinfo'), `${mounts}\n`)
  execFileSync('mkfifo', [join(root, 'fifo')])
  writeFileSync(join(root, 'preload.mjs'), preload(join(root, 'fifo')))
})
afterAll(async () => {
  rmSync(root, { recursive: true, force: true })
  await redis?.stop()
})

/** What the program runs with, so that it finds the dead mounts. */
const surroundings = () => ({
  ...{ HOST_PROC: join(root, 'proc'), UV_THREADPOOL_SIZE: '4' },
  NODE_OPTIONS: `--import=${join(root, 'preload.mjs')}`,
})

interface Running {
  readonly program: Program
  readonly admin: string
  readonly lock: string
}

async function start(redisPort: number): Promise<Running> {
  const port = await freePort()
  const data = join(root, `data-${port}`)
  const program = startProgram('agent', {
    args: [`--admin-port=${port}`, '--agent-interval-ms=200ms', '--agent-host=stuck', '--broker-kind=streams'],
    env: {
      ...{ REDIS_URL: `redis://localhost:${redisPort}`, SENTINEL_DATA_PATH: data, ...surroundings() },
    },
  })
  return { program, admin: `http://127.0.0.1:${port}`, lock: join(data, 'agent/stuck/lock') }
}

/** Two kinds of mounts hang by now: both threads that file systems may take are taken. */
async function isStuck({ admin }: Running): Promise<void> {
  await until('mounts are not asked any more', async () => {
    const leftOut = await metric(admin, 'sentinel_source_left_out_figures_total', 'not_asked')
    return leftOut >= 2 * (DEAD.length - 2)
  })
}

/** Node.js before 22.15 cannot end with an exit code of its own while a thread hangs. */
const ends = (code: number): number | NodeJS.Signals => ('execve' in process ? code : 'SIGKILL')

describe('an agent whose mounts hang', () => {
  it('goes on: keeps samples on disk, finds a broker that comes back by its name, and stops with nothing dropped', async () => {
    const proxy = await startTcpProxy(redis.port)
    proxy.become({ kind: 'closed' })
    const running = await start(proxy.port)
    const { program, admin, lock } = running
    await program.logged('agent measures')
    await isStuck(running)
    expect(await metric(admin, 'sentinel_outbox_on_disk')).toBe(1)
    proxy.become({ kind: 'none' })
    await until('the samples are sent', async () => (await metric(admin, 'sentinel_sent_samples_total')) > 0)
    const said = program.log().flatMap(({ part }) => (String(part).startsWith('disk ') ? [String(part)] : []))
    // Each once, and / too, for which no thread is left.
    expect(said.sort()).toEqual(['disk /', ...DEAD.map((line) => `disk ${line.split(' ')[4]}`)].sort())
    expect(await program.stop()).toBe(ends(0))
    expect(existsSync(lock)).toBe(false)
    expect(program.log().find(({ msg }) => msg === 'summary')).toMatchObject({ agent_dropped: 0 })
    await proxy.stop()
  })

  it('ends at once at a second signal', async () => {
    const running = await start(redis.port)
    const { program } = running
    await program.logged('agent measures')
    await isStuck(running)
    program.signal('SIGTERM')
    await program.logged('stopping')
    program.signal('SIGINT')
    // The stop may have been the faster of the two.
    expect([ends(130), ends(0)]).toContain(await program.ended)
  })

  it('is examined by a doctor that ends', async () => {
    const args = ['doctor', 'agent', `--redis-url=redis://localhost:${redis.port}`, '--agent-include=mem,disk']
    const doctor = startProgram('sentinel', { args, env: surroundings() })
    const code = await doctor.ended
    expect(doctor.stdout()).toMatch(/^warn +host: .* has mem, disk .* gave no answer within 400 ms/m)
    expect(code).toBe(ends(0))
  })
})
