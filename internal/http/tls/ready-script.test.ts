import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ApiScene } from '../../../test/support/api-scene.ts'
import { type IssuedFiles, TestAuthority } from '../../../test/support/certificates.ts'
import { freePort } from '../../../test/support/servers.ts'
import type { TlsFiles } from '../../tls/material.ts'
import { WatchedTls } from '../../tls/watched.ts'
import { Refusals } from '../doorkeeper.ts'

const SCRIPT = new URL('../../../deploy/docker/ready.sh', import.meta.url).pathname

let authority: TestAuthority
let server: IssuedFiles
let client: IssuedFiles
/** Of the script. */
let folder: string
beforeAll(async () => {
  authority = await TestAuthority.make()
  server = await authority.issue('server')
  client = await authority.issue('client')
  folder = await mkdtemp(join(tmpdir(), 'ready-'))
})
afterAll(async () => {
  await authority.remove()
  await rm(folder, { recursive: true })
})

function check(port: number, env: Readonly<Record<string, string>> = {}): Promise<[code: unknown, output: string]> {
  const options = { env: { PATH: process.env.PATH, TMPDIR: folder, ...env } }
  return new Promise((resolve) => {
    execFile('bash', [SCRIPT, `${port}`], options, (error, stdout) => resolve([error?.code ?? 0, stdout.trim()]))
  })
}

async function open(files: TlsFiles | undefined, port = 0) {
  const refusals = new Refusals()
  const tls = files && (await WatchedTls.open({ files, onRefused: () => {}, pollMs: 1e9 }))
  const scene = await ApiScene.open({ tls, refusals })
  await scene.app.listen({ host: '127.0.0.1', port })
  const close = async (): Promise<void> => {
    await scene.app.close()
    tls?.close()
  }
  onTestFinished(close)
  return { scene, refusals, close, port: (scene.app.server.address() as AddressInfo).port }
}

const READY = [0, '{"ready":true,"reasons":[]}']
const NOT_READY = [1, '{"ready":false,"reasons":["away"]}']

describe('the health check of the image', () => {
  it.each(['HTTP', 'TLS'])('says over %s whether a port is ready', async (kind) => {
    const { scene, port, refusals } = await open(kind === 'TLS' ? server : undefined)
    expect(await check(port)).toEqual(READY)
    expect(await check(port)).toEqual(READY)
    scene.reasons = ['away']
    expect(await check(port)).toEqual(NOT_READY)
    scene.reasons = []
    expect(await check(port)).toEqual(READY)
    // It is asked without TLS once.
    expect(refusals.plain).toBe(kind === 'TLS' ? 1 : 0)
  })

  it('shows a certificate where clients must', async () => {
    const { port } = await open({ ...server, caFile: authority.caFile })
    expect(await check(port)).toEqual([1, expect.stringContaining('certificate')])
    expect(await check(port, { READY_CERT_FILE: client.certFile, READY_KEY_FILE: client.keyFile })).toEqual(READY)
  })

  it('finds a port again that has no TLS any more, and fails where nothing listens', async () => {
    const port = await freePort()
    expect((await check(port))[0]).toBe(1)
    const first = await open(server, port)
    expect(await check(port)).toEqual(READY)
    await first.close()
    await open(undefined, port)
    expect((await check(port))[0]).toBe(1)
    expect(await check(port)).toEqual(READY)
  })
})
