import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// The outcome under test is how a process ends, so each case is a real one. The program lies in the project's folder, where the
// packages that it imports are found.
const folder = join(import.meta.dirname, '../../.tmp')
const program = join(folder, `signals-${process.pid}.mjs`)

const SOURCE = `
import { pino } from 'pino'
import { Releaser } from './releaser.ts'
import { runUntilSignal } from './signals.ts'

const behaviour = process.argv[2]
const logger = pino(pino.destination({ dest: 1, sync: true }))
const releaser = new Releaser(logger)
const alive = setInterval(() => {}, 1000)

const behaviours = {
  fails_to_start: () => { throw new Error('port taken') },
  starts_slowly: () => { logger.info('up'); return new Promise(() => {}) },
  hangs: () => releaser.push('store', () => new Promise(() => {})),
  fails_to_stop: () => releaser.push('store', () => { throw new Error('disk full') }),
  leaves_a_timer: () => setInterval(() => {}, 1000),
  throws: () => setTimeout(() => { throw new Error('boom') }, 10),
  rejects: () => setTimeout(() => Promise.reject(new Error('boom')), 10),
}

await runUntilSignal({
  async start() {
    releaser.push('keep-alive', () => clearInterval(alive))
    await behaviours[behaviour]?.()
    logger.info('up')
  },
  stop: (deadlineMs) => (behaviour.startsWith('never_stops') ? new Promise(() => {}) : releaser.release(behaviour === 'hangs' ? 200 : deadlineMs)),
  deadlineMs: behaviour === 'never_stops_in_time' ? 200 : 60_000,
  logger,
}).catch((error) => {
  logger.fatal('main: ' + error.message)
  process.exitCode = 3
})
logger.info('main ended')
`

beforeAll(async () => {
  await mkdir(folder, { recursive: true })
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
afterAll(() => rm(program, { force: true }))

interface Ending {
  readonly code: number | null
  readonly messages: readonly string[]
}

/** Runs the program, sends it a signal at each log line that is named, and waits for its end. */
async function run(behaviour: string, signals: ReadonlyArray<readonly [at: string, signal: NodeJS.Signals]> = []) {
  const child: ChildProcess = spawn(process.execPath, [program, behaviour], { stdio: ['ignore', 'pipe', 'inherit'] })
  const waiting = [...signals]
  const messages: string[] = []
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const message: string = JSON.parse(line).msg
      messages.push(message)
      const next = waiting[0]
      if (next !== undefined && message.startsWith(next[0])) {
        waiting.shift()
        child.kill(next[1])
      }
    }
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, messages } satisfies Ending
}

const STOPPING = 'stopping; a second signal ends at once'

describe('a program that is told to end', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('by %s stops gracefully and ends with 0', async (signal) => {
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
    ['hangs', 'not everything stopped well'],
    ['never_stops_in_time', 'not stopped within the deadline: ending with what is still held'],
    ['fails_to_stop', 'not everything stopped well'],
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

  test('names what still holds the process, and ends all the same', async () => {
    const { code, messages } = await run('leaves_a_timer', [['up', 'SIGTERM']])
    expect(messages.at(-1)).toBe('stopped, but something holds the process: ending it')
    expect(code).toBe(0)
  })
})

describe('a program that fails', () => {
  test('to start stops what it had opened, and leaves the error to its main', async () => {
    const { code, messages } = await run('fails_to_start')
    expect(messages).toEqual(['stopped', 'main: port taken', 'main ended'])
    expect(code).toBe(3)
  })

  test.each([
    ['throws', 'an exception that nobody caught'],
    ['rejects', 'a rejection that nobody caught'],
  ])('because it %s says so, stops and ends with 1', async (behaviour, message) => {
    const { code, messages } = await run(behaviour)
    expect(messages.slice(-3)).toEqual([message, 'stopped', 'main ended'])
    expect(code).toBe(1)
  })
})
