// Runs `sentinel up`, and a separate agent over a real Redis, for some minutes. Shows their CPU, memory and open files
// from /proc, in windows of equal length so that growth shows. RSS goes up and down with V8's collections, minutes
// apart; the least heap of a window is the memory that the process keeps. Linux only.
//
//   npm run build && node scripts/soak.mjs [minutes]     (10 unless told otherwise)
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'

const WINDOWS = 5
const CLOCK_TICKS_PER_SECOND = 100
const minutes = Number(process.argv[2] ?? 10)
if (!(minutes > 0)) {
  console.error(`minutes must be a number above 0, not ${process.argv[2]}`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'sentinel-soak-'))
const started = []
const stopAll = () => {
  for (const child of started.reverse()) child.kill('SIGTERM')
}
process.on('SIGINT', () => {
  stopAll()
  process.exit(130)
})

const [redisPort, apiPort, adminPort, agentAdminPort] = await Promise.all([1, 2, 3, 4].map(freePort))
start('redis-server', ['--port', redisPort, '--bind', '127.0.0.1', '--save', '', '--dir', folder])
await sleep(500)
const program = (name, ...args) => start(process.execPath, [`dist/cmd/${name}/main.js`, ...args])
const up = program(
  'sentinel',
  ...['up', '--api-port', apiPort, '--admin-port', adminPort, '--duckdb-path', join(folder, 'soak.duckdb')],
)
const startedAtMs = performance.now()
const firstSampleMs = await firstSample(apiPort)
// Without a subscriber the agent's outbox would fill, as it should.
const listener = connect(redisPort, '127.0.0.1', () => listener.write('SUBSCRIBE metrics\r\n'))
listener.on('error', () => {}).resume()
const agent = program('agent', '--redis-url', `redis://127.0.0.1:${redisPort}`, '--admin-port', agentAdminPort)
await sleep(10_000)

const watched = { 'sentinel up': up.pid, agent: agent.pid }
const adminPorts = [adminPort, agentAdminPort]
const rows = []
let before = Object.values(watched).map(look)
for (let window = 1; window <= WINDOWS; window++) {
  const leastHeap = await watchHeap((minutes * 60_000) / WINDOWS)
  const now = Object.values(watched).map(look)
  for (const [i, name] of Object.keys(watched).entries()) {
    const seconds = (now[i].atMs - before[i].atMs) / 1000
    rows.push({
      process: name,
      'until min': Number(((window * minutes) / WINDOWS).toFixed(1)),
      'CPU % of a core': Number((((now[i].cpuS - before[i].cpuS) / seconds) * 100).toFixed(2)),
      'RSS MB': Number((now[i].rssBytes / 1e6).toFixed(1)),
      'least heap MB': Number((leastHeap[i] / 1e6).toFixed(1)),
      'open files': now[i].openFiles,
    })
  }
  before = now
}
const summary = await fetch(`http://127.0.0.1:${adminPort}/metrics`).then((response) => response.text())
const counted = (name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(summary)?.[1])
listener.destroy()
stopAll()
rmSync(folder, { recursive: true, force: true })

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
console.log(`commit ${commit}, Node.js ${process.version}, ${cpus().length} × ${cpus()[0].model}, ${minutes} min`)
console.log(`first sample over the API ${firstSampleMs} ms after the start of the process`)
console.table(rows)
const received = counted('sentinel_received_samples_total')
console.log(`received ${received}, written ${counted('sentinel_written_samples_total')}`)

function start(command, args) {
  const child = spawn(command, args.map(String), { stdio: 'ignore' })
  child.on('error', (error) => {
    console.error(`${command} cannot be started: ${error.message}`)
    stopAll()
    process.exit(1)
  })
  started.push(child)
  return child
}

function look(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0)
  const rssKb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
  return {
    atMs: performance.now(),
    cpuS: ticks / CLOCK_TICKS_PER_SECOND,
    rssBytes: rssKb * 1024,
    openFiles: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/** The least heap in use of each program within the time, read every ten seconds. */
async function watchHeap(ms) {
  const least = adminPorts.map(() => Infinity)
  for (const endMs = performance.now() + ms; performance.now() < endMs; await sleep(10_000)) {
    for (const [i, port] of adminPorts.entries()) {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text())
      const used = Number(/^nodejs_memory_bytes\{kind="heapUsed"\} (\d+)$/m.exec(text)?.[1])
      least[i] = Math.min(least[i], used)
    }
  }
  return least
}

async function firstSample(port) {
  for (;;) {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/hosts`).then((response) => response.json())
      if (answer.hosts.some(({ cpuPercent }) => cpuPercent !== null)) return Math.round(performance.now() - startedAtMs)
    } catch {
      // Not listening yet.
    }
    if (performance.now() - startedAtMs > 30_000) throw new Error('no sample within 30 s')
    await sleep(20)
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
