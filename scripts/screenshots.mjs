// Makes docs/screenshots/*.png with the product itself: starts `sentinel up --fabric` on a temporary file, puts load on this machine, waits
// until the charts are full, and takes pictures of the page. Then the same on a host with GPUs, of which a generator plays 1,000.
//   node scripts/screenshots.mjs [--wait=310] [--only=gpu]   seconds until the pictures are taken, and those whose names begin so
import { execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'

const TARGET = 'docs/screenshots'
const HOSTS = { query: '', ready: '#card-network .number' }
// The port with the highest rate is chosen when the picture is taken.
const FABRIC = {
  query: '?view=fabric&metric=PortXmitDataExtended&by=rate',
  ready: '#fabric-worst .number',
  click: '#fabric-worst button',
}
const GPUS = { query: '?view=gpus', ready: '#gpus-worst .number' }
const GPU = { ready: '#card-port-traffic .number', opensGpu: true }
const LAPTOP = { width: 1440, height: 900 }
const PHONE = { width: 390, height: 844 }
const SWITCHES = 48
/** For a history on a machine that does much else, ms. */
const PATIENCE_MS = 120_000
/** With this seed one of the first eight GPUs has an Xid, some minutes after the start. */
const GPU_SEED = 101
const SCENES = [
  {
    args: ['--agent-host=web-01'],
    pictures: [
      { name: 'hosts-light', ...LAPTOP, colorScheme: 'light', ...HOSTS },
      { name: 'hosts-dark', ...LAPTOP, colorScheme: 'dark', ...HOSTS },
      { name: 'phone', ...PHONE, colorScheme: 'light', ...HOSTS },
      { name: 'fabric-light', ...LAPTOP, colorScheme: 'light', ...FABRIC },
    ],
  },
  {
    gpus: 1_000,
    args: ['--agent-host=gpu-1'],
    pictures: [
      { name: 'gpus-light', ...LAPTOP, colorScheme: 'light', ...GPUS },
      { name: 'gpus-dark', ...LAPTOP, colorScheme: 'dark', ...GPUS },
      { name: 'gpus-phone', ...PHONE, colorScheme: 'light', ...GPUS },
      { name: 'gpus-phone-dark', ...PHONE, colorScheme: 'dark', ...GPUS },
      { name: 'gpu-light', ...LAPTOP, colorScheme: 'light', ...GPU },
      { name: 'gpu-dark', ...LAPTOP, colorScheme: 'dark', ...GPU },
      { name: 'gpu-phone', ...PHONE, colorScheme: 'light', ...GPU },
      { name: 'gpu-phone-dark', ...PHONE, colorScheme: 'dark', ...GPU },
    ],
  },
]

// The load: it is busy for a part of each tenth of a second, in waves of a minute, and writes 40 MB every 15 s. A
// picture of an idle machine would be dull.
const LOAD = `
const { writeFileSync } = require('node:fs')
let waves = 0
setInterval(() => {
  const share = 0.25 + 0.2 * Math.sin(Date.now() / 9000) + 0.15 * Math.sin(Date.now() / 2300)
  const until = performance.now() + 100 * share
  while (performance.now() < until) Math.sqrt(Math.random())
  if (++waves % 150 === 0) writeFileSync(process.argv[1], Buffer.alloc(40e6), { flush: true })
}, 100)`

const { values } = parseArgs({ options: { wait: { type: 'string', default: '310' }, only: { type: 'string' } } })
for (const scene of SCENES) {
  const pictures = scene.pictures.filter(({ name }) => name.startsWith(values.only ?? ''))
  if (pictures.length > 0) await play(scene, pictures)
}

async function play({ args, gpus }, pictures) {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-screenshots-'))
  const url = `http://127.0.0.1:${await freePort()}`
  const children = []
  const start = (...command) => children.push(startChild(command))
  try {
    const scraped = gpus === undefined ? [] : await playGpus(gpus, start)
    start(
      'dist/cmd/sentinel/main.js',
      'up',
      ...[`--api-port=${new URL(url).port}`, `--admin-port=${await freePort()}`, ...args, ...scraped],
      `--data-path=${join(folder, 'data')}`,
      `--duckdb-path=${join(folder, 'sentinel.duckdb')}`,
      ...['--fabric', `--generator-port=${await freePort()}`, '--generator-profile=ufm', '--generator-seed=7'],
      `--generator-switches=${SWITCHES}`,
    )
    start('-e', LOAD, join(folder, 'load'))
    console.log(`waiting ${values.wait} s until the charts are full`)
    await sleep(Number(values.wait) * 1000)
    await takePictures(url, pictures)
  } finally {
    for (const child of children) child.kill('SIGTERM')
    await Promise.all(children.map((child) => child.exited))
    await rm(folder, { recursive: true, force: true })
  }
}

/** Starts an exporter of GPUs. @returns the settings with which it is asked */
async function playGpus(count, start) {
  const port = await freePort()
  const profile = ['--profile=dcgm', `--gpus=${count}`, '--interval-ms=5s', `--seed=${GPU_SEED}`]
  start('dist/cmd/sentinel/main.js', 'generator', `--port=${port}`, `--admin-port=${await freePort()}`, ...profile)
  return [`--scrape-targets=http://127.0.0.1:${port}/metrics`, '--scrape-interval-ms=5s']
}

async function takePictures(url, pictures) {
  await mkdir(TARGET, { recursive: true })
  const browser = await chromium.launch({
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  })
  for (const { name, width, height, colorScheme, query, ready, click, opensGpu } of pictures) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      deviceScaleFactor: width < 500 ? 2 : 1,
    })
    const page = await context.newPage()
    await page.goto(`${url}/${opensGpu === true ? await openGpu(url) : query}`)
    await page.locator(ready).first().filter({ hasText: /\d/ }).waitFor({ timeout: PATIENCE_MS })
    if (opensGpu === true) {
      for (const card of [
        'gpu-utilization',
        'gpu-memory',
        'gpu-power',
        'gpu-clocks',
        'gpu-traffic',
        'host-cpu',
        'host-memory',
      ])
        await page.locator(`#card-${card} .plot[aria-label*=between]`).waitFor({ timeout: PATIENCE_MS })
      await page
        .locator('#gpu-events li')
        .first()
        .waitFor({ timeout: PATIENCE_MS })
        .catch(() => console.log('no event'))
    }
    if (click !== undefined) await page.locator(click).first().click()
    await sleep(3000)
    await page.screenshot({ path: join(TARGET, `${name}.png`) })
    await context.close()
    console.log(join(TARGET, `${name}.png`))
  }
  await browser.close()
}

/** The link to a GPU of this machine, with an Xid if one has it, beside the port whose link went down most. */
async function openGpu(url) {
  const { gpus } = await getJson(`${url}/api/v1/gpus?host=gpu-1`)
  const gpu = gpus.find(({ xid }) => xid > 0) ?? gpus[0]
  const { ids, values: downs } = await getJson(`${url}/api/v1/fabrics/cells?metric=LinkDownedCounterExtended`)
  const port = ids[downs.indexOf(Math.max(...downs))]
  return `?${new URLSearchParams({ view: 'gpus', gpu: `${gpu.hostname}/${gpu.uuid}`, port })}`
}

async function getJson(address) {
  const answer = await fetch(address)
  return answer.json()
}

function startChild(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  child.exited = new Promise((resolve) => child.once('exit', resolve))
  return child
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
