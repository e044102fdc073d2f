// Makes docs/screenshots/*.png with the product itself: starts `sentinel up --fabric` on a temporary file, puts load on this machine, waits
// until the charts are full, and takes pictures of the page.
//   node scripts/screenshots.mjs [--wait=310] [--only=fabric-light]   seconds until the pictures are taken, and one of them
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
const FABRIC = { query: '?view=fabric&metric=PortXmitDataExtended&by=rate', ready: '#fabric-worst .number' }
const PICTURES = [
  { name: 'hosts-light', width: 1440, height: 900, colorScheme: 'light', ...HOSTS },
  { name: 'hosts-dark', width: 1440, height: 900, colorScheme: 'dark', ...HOSTS },
  { name: 'phone', width: 390, height: 844, colorScheme: 'light', ...HOSTS },
  { name: 'fabric-light', width: 1440, height: 900, colorScheme: 'light', ...FABRIC },
]
const SWITCHES = 48

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
const folder = await mkdtemp(join(tmpdir(), 'sentinel-screenshots-'))
const port = await freePort()
const children = []
try {
  const ports = [`--api-port=${port}`, `--admin-port=${await freePort()}`]
  start(
    'dist/cmd/sentinel/main.js',
    'up',
    ...ports,
    '--agent-host=web-01',
    `--data-path=${join(folder, 'data')}`,
    `--duckdb-path=${join(folder, 'sentinel.duckdb')}`,
    ...[
      '--fabric',
      `--generator-port=${await freePort()}`,
      '--generator-profile=ufm',
      `--generator-switches=${SWITCHES}`,
    ],
    '--generator-seed=7',
  )
  start('-e', LOAD, join(folder, 'load'))
  console.log(`waiting ${values.wait} s until the charts are full`)
  await sleep(Number(values.wait) * 1000)
  await takePictures()
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(children.map((child) => child.exited))
  await rm(folder, { recursive: true, force: true })
}

async function takePictures() {
  await mkdir(TARGET, { recursive: true })
  const browser = await chromium.launch({
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  })
  for (const { name, width, height, colorScheme, query, ready } of PICTURES) {
    if (values.only !== undefined && values.only !== name) continue
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      deviceScaleFactor: width < 500 ? 2 : 1,
    })
    const page = await context.newPage()
    await page.goto(`http://127.0.0.1:${port}/${query}`)
    await page.locator(ready).first().filter({ hasText: /\d/ }).waitFor()
    if (query !== '') await page.locator('#fabric-worst button').first().click()
    await sleep(3000)
    await page.screenshot({ path: join(TARGET, `${name}.png`) })
    await context.close()
    console.log(join(TARGET, `${name}.png`))
  }
  await browser.close()
}

function start(...args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
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
