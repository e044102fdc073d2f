// Profiles the server under load. scripts/profile.sh runs it, explains it, and builds the modules that it imports.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { runLoad } from '../../dist/bench/load/load.js'
import { Interrupted, interruptible } from '../../dist/bench/run/interruption.js'
import { openStack } from '../../dist/bench/stack/open.js'
import { Progress } from '../../dist/cmd/bench/progress.js'
import { readRunSettings } from '../../dist/cmd/bench/run-settings.js'
import { ConfigError, EXIT } from '../../dist/internal/config/error.js'
import { TOOLS } from './tools.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const HERE = join(ROOT, 'scripts/profilers')
const VARIABLES = ['DURATION', 'RATE', 'FORMAT', 'WORKERS', 'SAMPLES', 'VALUES', 'HOSTS', 'BROKER', 'PIPELINE']
/**
 * A rate that the server can take under each of the tools. The profile covers the server from start to end, so there is
 * no warm-up.
 */
const DEFAULTS = { DURATION: '20s', RATE: '20000', WARMUP: '0s', STACK: 'local' }

const [name] = process.argv.slice(2)
const tool = TOOLS[name]
const progress = new Progress(process.stderr)

try {
  const options = readOptions()
  installTools()
  await interruptible(
    (signal) => profile(options, signal),
    () => progress.say('stopping the servers; Ctrl-C again ends at once'),
  )
} catch (error) {
  progress.clear()
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof ConfigError) process.exitCode = EXIT.config
  else process.exitCode = error instanceof Interrupted ? error.exitCode : EXIT.failed
}

function readOptions() {
  const given = VARIABLES.map((variable) => [variable, process.env[variable]]).filter(([, value]) => value)
  const { options } = readRunSettings({}, { ...DEFAULTS, ...Object.fromEntries(given) })
  if (options.pipeline === 'compare') throw new ConfigError(['PIPELINE: one at a time here, ours or baseline'])
  return options
}

/** npm ci, only when the lock file has changed since the last one. */
function installTools() {
  const [lock, stamp] = [join(HERE, 'package-lock.json'), join(HERE, 'node_modules/.sentinel-lock')]
  if (existsSync(stamp) && readFileSync(stamp).equals(readFileSync(lock))) return
  progress.say('installing the profilers (npm ci in scripts/profilers): 700 packages, 150 MB')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: HERE,
    stdio: ['ignore', process.stderr, process.stderr],
  })
  if (status !== 0) throw new Error('the profilers could not be installed: see above')
  copyFileSync(lock, stamp)
}

async function profile(options, signal) {
  const { pipeline, format, ratePerSecond, load, stack: stackOptions } = options
  // The files of the tool and the servers, from which the page is made.
  const scratch = mkdtempSync(join(tmpdir(), 'sentinel-profile-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const stack = await openStack(
    {
      ...{ ...stackOptions, pipeline, serverEnv: {}, env: process.env, logFolder: scratch },
      ...{ logger: pino({ level: 'silent' }), onProgress: (what) => progress.say(what) },
      serverCommand: (command) => [process.execPath, join(HERE, 'collect.mjs'), name, scratch, ...command],
    },
    signal,
  )
  const stop = AbortSignal.any([signal, stack.broken])
  try {
    const rate = ratePerSecond === undefined ? 'as many messages as it can take' : `${ratePerSecond} messages/s`
    progress.say(`load: ${rate}, for ${load.durationMs / 1000} s`)
    const { servers, redisUrl, broker } = stack
    const base = { ...load, format, ratePerSecond, redis: { url: redisUrl }, broker, servers, countStored: undefined }
    const { messages } = await runLoad({ ...base, onProgress: (at) => progress.load(at) }, stop)
    stop.throwIfAborted()
    progress.say(`${messages.toLocaleString('en')} messages; ${name} reads its data`)
  } catch (error) {
    // The end of a part of the stack explains every later failure.
    throw stop.aborted ? stop.reason : error
  } finally {
    await stack.close()
  }
  signal.throwIfAborted()
  progress.say('making the page')
  const html = await visualize(scratch, load.durationMs / 1000)
  progress.clear()
  console.log(relative(process.cwd(), html))
}

async function visualize(scratch, seconds) {
  const made = join(scratch, 'page.html')
  try {
    await tool.visualize(scratch, made, seconds)
  } catch (cause) {
    const log = readFileSync(join(scratch, 'server.log'), 'utf8').split('\n').slice(-20).join('\n')
    throw new Error(`${name} made no page: ${cause.message}\nthe end of the log of both:\n${log}`, {
      cause,
    })
  }
  mkdirSync(join(ROOT, 'profiles'), { recursive: true })
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const html = join(ROOT, 'profiles', `${name}-${time}.html`)
  writeFileSync(html, presentable(readFileSync(made, 'utf8')))
  return html
}

/**
 * Makes the page fit to be published: it loads no fonts from a server, and hides where the project is on this machine.
 * A path stays, because 0x needs it to distinguish our folder `internal` from that of Node.js.
 */
function presentable(page) {
  return page
    .replaceAll('https://clinicjs.org/assets/css/fonts.css', 'data:text/css,')
    .replaceAll(pathToFileURL(ROOT).href, '/')
    .replaceAll(ROOT, '/')
}
