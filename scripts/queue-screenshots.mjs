// Makes docs/screenshots/queue-*.png with the product itself: a Redis, a gateway, `sentinel up` over streams, 200 messages a second, a group that
// reads them, and one that has left a partition. Takes four minutes, for as long as the lines of the view are.
//   node scripts/queue-screenshots.mjs
import { execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'

const TARGET = 'docs/screenshots'
const WATCHED_MS = 140_000
const LAPTOP = { width: 1440, height: 900 }
const PHONE = { width: 390, height: 844 }
const PICTURES = [
  { name: 'queue-light', ...LAPTOP, colorScheme: 'light' },
  { name: 'queue-dark', ...LAPTOP, colorScheme: 'dark' },
  { name: 'queue-phone', ...PHONE, colorScheme: 'light' },
  { name: 'queue-phone-dark', ...PHONE, colorScheme: 'dark' },
]

const folder = await mkdtemp(join(tmpdir(), 'sentinel-screenshots-'))
const children = []
const end = new AbortController()
try {
  const [redisPort, queuePort, apiPort] = [await freePort(), await freePort(), await freePort()]
  const redis = `--redis-url=redis://127.0.0.1:${redisPort}`
  start('redis-server', '--port', `${redisPort}`, '--save', '', '--dir', folder)
  await sleep(500)
  startProgram('queue', redis, `--queue-port=${queuePort}`, `--data-path=${join(folder, 'gateway')}`)
  startProgram(
    ...['sentinel', 'up', redis, '--broker-kind=streams', '--agent-host=web-01', `--api-port=${apiPort}`],
    ...[`--data-path=${join(folder, 'up')}`, `--duckdb-path=${join(folder, 'sentinel.duckdb')}`],
  )
  const queue = `http://127.0.0.1:${queuePort}`
  for (const url of [queue, `http://127.0.0.1:${apiPort}`]) await untilUp(`${url}/health`)
  const left = new AbortController()
  await fetch(`${queue}/consume?topic=events&partition=1&group=audit`, { signal: left.signal })
  await sleep(1000)
  left.abort()
  const work = [consume(queue, 'billing'), consume(queue, 'billing')]
  for (let n = 0; n < 4; n++) work.push(produce(queue))
  console.log(`watching for ${WATCHED_MS / 1000} s`)
  await takePictures(`http://127.0.0.1:${apiPort}`)
  end.abort()
  await Promise.allSettled(work)
} finally {
  for (const child of children.toReversed()) {
    child.kill('SIGTERM')
    await child.exited
  }
  await rm(folder, { recursive: true, force: true })
}

async function untilUp(url) {
  while (
    !(await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    await sleep(200)
}

async function produce(queue) {
  for (let n = 0; !end.signal.aborted; n++) {
    await fetch(`${queue}/produce?topic=events&key=${n % 97}`, { method: 'POST', body: `{"n":${n}}` })
    await sleep(15 + 12 * Math.sin(Date.now() / 9000))
  }
}

async function consume(queue, group) {
  const { body } = await fetch(`${queue}/consume?topic=events&group=${group}`, { signal: end.signal })
  for await (const piece of body) {
    const ids = [
      ...Buffer.from(piece)
        .toString()
        .matchAll(/^id: (.*)$/gm),
    ].map(([, id]) => id)
    await sleep(30 + 120 * Math.random())
    if (ids.length > 0)
      await fetch(`${queue}/ack?topic=events&group=${group}`, { method: 'POST', body: JSON.stringify({ ids }) })
  }
}

async function takePictures(url) {
  await mkdir(TARGET, { recursive: true })
  const browser = await chromium.launch({
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  })
  const take = async ({ name, width, height, colorScheme }) => {
    const deviceScaleFactor = width < 500 ? 2 : 1
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, deviceScaleFactor })
    const page = await context.newPage()
    await page.goto(`${url}/?view=queue&open=events:1`)
    await sleep(WATCHED_MS)
    await page.locator('.queue-attention').first().waitFor()
    await page.screenshot({ path: join(TARGET, `${name}.png`) })
    console.log(join(TARGET, `${name}.png`))
  }
  await Promise.all(PICTURES.map(take))
  await browser.close()
}

function startProgram(name, ...args) {
  start(process.execPath, `dist/cmd/${name}/main.js`, ...args, '--admin-port=0', '--log-level=error')
}

function start(program, ...args) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  child.exited = new Promise((resolve) => child.once('exit', resolve))
  children.push(child)
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
