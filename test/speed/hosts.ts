import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import { rawAnswerOf, startBare } from './plain-servers.ts'
import type { Context, Outcome, Row } from './row.ts'
import { BEHIND_PROXY, CONNECTIONS, ratioOf, sideBySide } from './side-by-side.ts'

export const hosts: Row = {
  id: 'hosts',
  page: 'speed',
  what: `The list of hosts (GET /api/v1/hosts of \`sentinel up\`) as a client of the network gets it, through a proxy and with its limits counted, ${CONNECTIONS} connections, beside a bare node:http that answers the same bytes with Content-Length`,
  command: 'npm run speed -- --rows hosts',
  figures: [
    { name: 'beside bare', unit: '×', decimals: 3, reach: { atLeast: 0.6 } },
    { name: 'beside bare with the same headers', unit: '×', decimals: 3 },
    { name: 'answers', unit: 'requests/s', decimals: 0 },
    { name: 'bare', unit: 'requests/s', decimals: 0 },
    { name: 'server CPU', unit: 'µs/request', decimals: 1 },
    { name: 'bare CPU', unit: 'µs/request', decimals: 1 },
  ],
  run,
}

async function run(context: Context): Promise<Outcome> {
  const { signal } = context
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-speed-'))
  const [apiPort, adminPort] = [await freePort(), await freePort()]
  const key = randomBytes(32).toString('base64url')
  const up = startProgram('sentinel', {
    args: [
      ...['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, `--duckdb-path=${join(folder, 'a.duckdb')}`],
      ...BEHIND_PROXY,
    ],
    env: { API_KEY: key },
  })
  try {
    const api = new ApiClient(apiPort, key)
    await api.firstHost()
    const url = `${api.url}/api/v1/hosts`
    const answer = await rawAnswerOf(url, { 'X-API-Key': key })
    const bare = await startBare({ ...answer, headers: { 'content-type': answer.headers['content-type']! } }, signal)
    try {
      const alike = await startBare(answer, signal)
      try {
        return outcomeOf(
          await sideBySide({ ours: { url, pid: up.pid, header: `X-API-Key: ${key}` }, bare, alike }, context),
        )
      } finally {
        await alike.stop()
      }
    } finally {
      await bare.stop()
    }
  } finally {
    await up.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** `bare`: with the headers that an answer needs. `alike`: with all headers of ours. */
function outcomeOf({ ours, bare, alike }: Awaited<ReturnType<typeof sideBySide<'ours' | 'bare' | 'alike'>>>): Outcome {
  return {
    figures: {
      'beside bare': ratioOf(ours, bare),
      'beside bare with the same headers': ratioOf(ours, alike),
      answers: ours.rate,
      bare: bare.rate,
      'server CPU': ours.serverCpuUs,
      'bare CPU': bare.serverCpuUs,
    },
    notes: [`at its limit: ${ours.busiest} for our answers, ${bare.busiest} for bare`],
  }
}
