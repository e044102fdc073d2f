import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// These tests look at how a process ends, so each case starts a real process. Its program lies in the project's folder,
// so that it finds the packages that it imports.
const folder = join(import.meta.dirname, '../../.tmp')
const program = join(folder, `signals-${process.pid}.mjs`)

const fifo = `${program}.fifo`

const SOURCE = `
import { open } from 'node:fs/promises'
import { pino } from 'pino'
import { Releaser } from './releaser.ts'
import { runUntilSignal } from './signals.ts'

const behaviour = process.argv[2]
const logger = pino(pino.destination({ dest: 1, sync: true }))
const releaser = new Releaser(logger)
const alive = setInterval(() => {}, 1000)

const hang = () => void open(process.argv[3])

const behaviours = {
  fails_to_start: () => { throw new Error('port taken') },
  starts_slowly: () => { logger.info('up'); return new Promise(() => {}) },
  stops_slowly: () => releaser.push('store', () => new Promise((resolve) => process.once('SIGHUP', resolve))),
  hangs: () => releaser.push('store', () => new Promise(() => {})),
  fails_to_stop: () => releaser.push('store', () => { throw new Error('disk full') }),
  leaves_a_timer: () => setInterval(() => {}, 1000),
  // Opening a pipe that nobody writes to waits in a thread, as a call to a dead NFS server does.
  hangs_in_a_thread: hang,
  never_stops_and_hangs_in_a_thread: hang,
  never_stops_in_time_and_hangs_in_a_thread: hang,
  throws: () => setTimeout(() => { throw new Error('boom') }, 10),
  rejects: () => setTimeout(() => Promise.reject(new Error('boom')), 10),
}

await runUntilSignal({
  async start() {
    releaser.push('keep-alive', () => clearInterval(alive))
    await behaviours[behaviour]?.()
    logger.info('up')
  },
  reload: () => logger.info('reloaded'),
  stop: (deadlineMs) => (behaviour.startsWith('never_stops') ? new Promise(() => {}) : releaser.release(behaviour === 'hangs' ? 200 : deadlineMs)),
  deadlineMs: behaviour.startsWith('never_stops_in_time') ? 200 : 60_000,
  logger,
}).catch((error) => {
  logger.fatal('main: ' + error.message)
  process.exitCode = 3
})
logger.info('main ended')
`

beforeAll(async () => {
  await mkdir(folder, { recursive: true })
  execFileSync('mkfifo', [fifo])
  await build({
    stdin: { contents: SOURCE, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outfile: program,
    logLevel: 'error',
  })
})
afterAll(() => Promise.all([program, fifo].map((path) => rm(path, { force: true }))))

interface Ending {
  readonly code: number | NodeJS.Signals | null
  readonly messages: readonly string[]
}

type Signals = ReadonlyArray<readonly [at: string, signal: NodeJS.Signals]>

/** Runs the program without a terminal, sends it a signal at each log line that is named, and waits for its end. */
function run(behaviour: string, signals: Signals = []): Promise<Ending> {
  return follow(spawn(process.execPath, [program, behaviour, fifo], { stdio: ['ignore', 'pipe', 'ignore'] }), signals)
}

/** The same at a terminal, which `script` (of bsdutils) makes. */
function runAtTerminal(behaviour: string, signals: Signals): Promise<Ending> {
  const command = `'${process.execPath}' '${program}' '${behaviour}'`
  const script = ['--quiet', '--return', '--command', command, '/dev/null']
  return follow(spawn('script', script, { stdio: ['ignore', 'pipe', 'ignore'] }), signals)
}

async function follow(child: ChildProcess, signals: Signals): Promise<Ending> {
  const waiting = [...signals]
  const messages: string[] = []
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { msg: message, pid } = JSON.parse(line) as { msg: string; pid: number }
      messages.push(message)
      const next = waiting[0]
      if (next !== undefined && message.startsWith(next[0])) {
        waiting.shift()
        process.kill(pid, next[1])
      }
    }
  })
  const code = await new Promise<Ending['code']>((resolve) =>
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal)),
  )
  return { code, messages }
}

const STOPPING = 'stopping; a second signal ends at once'

describe('a program that is told to end', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s stops gracefully and ends with 0', async (signal) => {
    const { code, messages } = await run('', [['up', signal]])
    expect(messages).toEqual(['up', STOPPING, 'stopped', 'main ended'])
    expect(code).toBe(0)
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('twice, by %s, ends at once with %d', async (signal, expected) => {
    const { code, messages } = await run('never_stops', [
      ['up', 'SIGTERM'],
      ['stopping', signal],
    ])
    expect(messages.at(-1)).toMatch(/^second signal/)
    expect(code).toBe(expected)
  })

  test.each([
    ['hangs', 'some parts failed to stop'],
    [
      'never_stops_in_time',
      'not stopped within the deadline: ending at once; samples that are only in memory may be lost',
    ],
    ['fails_to_stop', 'some parts failed to stop'],
  ])('and %s, ends with 1', async (behaviour, message) => {
    const { code, messages } = await run(behaviour, [['up', 'SIGTERM']])
    expect(messages).toContain(message)
    expect(code).toBe(1)
  })

  test('before it has started stops all the same', async () => {
    const { code, messages } = await run('starts_slowly', [['up', 'SIGTERM']])
    expect(messages).toContain('stopped')
    expect(code).toBe(0)
  })

  test('logs what keeps the process alive, and ends it', async () => {
    const { code, messages } = await run('leaves_a_timer', [['up', 'SIGTERM']])
    expect(messages.at(-1)).toBe('stopped, but something keeps the process alive: ending it')
    expect(code).toBe(0)
  })
})

describe('a program with a call that hangs in a thread', () => {
  /** Older Node.js can only be killed. */
  const ends = (code: number): Ending['code'] => ('execve' in process ? code : 'SIGKILL')

  test('ends with 0 after a stop, and says what kept it alive', async () => {
    const { code, messages } = await run('hangs_in_a_thread', [['up', 'SIGTERM']])
    expect(messages.slice(-2)).toEqual(['main ended', 'stopped, but something keeps the process alive: ending it'])
    expect(code).toBe(ends(0))
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once at a second signal, %s, with %d', async (signal, expected) => {
    const { code, messages } = await run('never_stops_and_hangs_in_a_thread', [
      ['up', 'SIGTERM'],
      ['stopping', signal],
    ])
    expect(messages.at(-1)).toMatch(/^second signal/)
    expect(code).toBe(ends(expected))
  })

  test('ends at the deadline with 1', async () => {
    const { code, messages } = await run('never_stops_in_time_and_hangs_in_a_thread', [['up', 'SIGTERM']])
    expect(messages.at(-1)).toMatch(/^not stopped within the deadline/)
    expect(code).toBe(ends(1))
  })
})

describe('SIGHUP', () => {
  test('reloads a program without a terminal, as often as it comes, while it starts too', async () => {
    const { code, messages } = await run('', [
      ['up', 'SIGHUP'],
      ['reloaded', 'SIGHUP'],
      ['reloaded', 'SIGTERM'],
    ])
    expect(messages).toEqual(['up', 'reloaded', 'reloaded', STOPPING, 'stopped', 'main ended'])
    expect(code).toBe(0)
    const starting = await run('starts_slowly', [
      ['up', 'SIGHUP'],
      ['reloaded', 'SIGTERM'],
    ])
    expect(starting.messages.slice(0, 3)).toEqual(['up', 'reloaded', STOPPING])
  })

  test('does nothing to a program that is stopping', async () => {
    const { code, messages } = await run('stops_slowly', [
      ['up', 'SIGTERM'],
      ['stopping', 'SIGHUP'],
    ])
    expect(messages).toEqual(['up', STOPPING, 'stopped', 'main ended'])
    expect(code).toBe(0)
  })

  test('stops a program whose terminal was closed', async () => {
    const { code, messages } = await runAtTerminal('', [['up', 'SIGHUP']])
    expect(messages).toEqual(['up', STOPPING, 'stopped', 'main ended'])
    expect(code).toBe(0)
  })

  test('ends a program at a terminal at once when it is the second signal', async () => {
    const { code, messages } = await runAtTerminal('never_stops', [
      ['up', 'SIGINT'],
      ['stopping', 'SIGHUP'],
    ])
    expect(messages.at(-1)).toMatch(/^second signal/)
    expect(code).toBe(129)
  })
})

describe('a program that fails', () => {
  test('to start stops what it had opened, and leaves the error to its main', async () => {
    const { code, messages } = await run('fails_to_start')
    expect(messages).toEqual(['stopped', 'main: port taken', 'main ended'])
    expect(code).toBe(3)
  })

  test.each([
    ['throws', 'uncaught exception'],
    ['rejects', 'unhandled rejection'],
  ])('because it %s says so, stops and ends with 1', async (behaviour, message) => {
    const { code, messages } = await run(behaviour)
    expect(messages.slice(-3)).toEqual([message, 'stopped', 'main ended'])
    expect(code).toBe(1)
  })
})
