import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startKeeper } from '../../bench/stack/keeper.ts'

const OPEN = new URL('../../dist/internal/broker/open.js', import.meta.url)

/**
 * A program that only consumes streams. It appends messages that it "stores" to one file and poison to another, each
 * before it acks. The message `killer` ends it as a fault in native code would.
 */
const PROGRAM = `
import { appendFileSync } from 'node:fs'
import { pino } from 'pino'
import { openBroker } from '${OPEN.href}'
const [url, consumer, stored, poison, storeMs] = process.argv.slice(1)
const logger = pino({ level: 'silent' })
const options = { kind: 'streams', redis: { url }, logger, consumer, visibilityMs: 1000, trialPauseMs: 40 }
const broker = await openBroker(options)
const subscription = await broker.subscribe(
  (payload, { id }) => {
    const text = payload.toString()
    if (text === 'killer') process.kill(process.pid, 'SIGKILL')
    setTimeout(() => {
      appendFileSync(stored, text + '\\n')
      subscription.ack(id)
    }, Number(storeMs))
  },
  { onPoison: (payload) => appendFileSync(poison, payload + '\\n') },
)
`

export interface StreamServerPlace {
  readonly url: string
  readonly consumer: string
  readonly storedFile: string
  readonly poisonFile: string
  /** How long storing a message takes. */
  readonly storeMs: number
}

export interface StreamServer {
  readonly ended: Promise<void>
  kill(): void
}

/** Starts this program as a process, with the built broker. */
export function startStreamServer(place: StreamServerPlace): StreamServer {
  const { url, consumer, storedFile, poisonFile, storeMs } = place
  if (!existsSync(OPEN)) throw new Error(`${fileURLToPath(OPEN)} is missing: npm run build`)
  const args = ['--input-type=module', '--eval', PROGRAM, '--', url, consumer, storedFile, poisonFile, `${storeMs}`]
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'inherit', 'inherit'],
    // The keeper ends process groups.
    detached: true,
  })
  const keeper = startKeeper()
  const { pid } = child
  if (pid !== undefined) keeper.watch(pid)
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      if (pid !== undefined) keeper.forget(pid)
      keeper.release().then(resolve)
    })
  })
  return { ended, kill: () => void child.kill('SIGKILL') }
}

/** The lines of such a file, without an incomplete last line. */
export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}
