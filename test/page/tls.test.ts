import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { askText } from '../../internal/http/ask.ts'
import { TestAuthority } from '../support/certificates.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'
import { openPage, startBrowser } from './browser.ts'

it('shows live figures over HTTPS, everything of it over HTTP/2, the live streams too', async () => {
  const authority = await TestAuthority.make()
  onTestFinished(() => authority.remove())
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-page-tls-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const { certFile, keyFile } = await authority.issue('page')
  const [port, adminPort, ca] = [await freePort(), await freePort(), await readFile(authority.caFile, 'utf8')]
  const up = startProgram('sentinel', {
    args: [
      ...['up', `--api-port=${port}`, `--admin-port=${adminPort}`, '--agent-host=page-tls', `--data-path=${folder}`],
      ...[`--duckdb-path=${join(folder, 't.duckdb')}`, `--api-tls-cert=${certFile}`, `--api-tls-key=${keyFile}`],
    ],
  })
  onTestFinished(async () => void (await up.stop()))
  const browser = await startBrowser()
  onTestFinished(() => browser.close())
  const url = `https://127.0.0.1:${port}/`
  await until('the API names this machine', async () => {
    const { body } = await askText(`${url}api/v1/hosts`, { tls: { ca } }).catch(() => ({ body: '' }))
    return body.includes('page-tls')
  })

  // No authority of ours is among those of the browser; that clients check certificates is tested elsewhere.
  const { page, context, complaints } = await openPage(browser, undefined, { ignoreHTTPSErrors: true })
  const protocols = new Map<string, string>()
  const devTools = await context.newCDPSession(page)
  await devTools.send('Network.enable')
  devTools.on('Network.responseReceived', ({ response }) =>
    protocols.set(new URL(response.url).pathname, `${response.status} ${response.protocol}`),
  )
  await page.goto(url)
  const text = (selector: string): Promise<string | null> => page.locator(selector).textContent()
  await page
    .locator('#card-cpu .number')
    .filter({ hasText: /^[\d.]+$/ })
    .waitFor()
  await page
    .locator('#live')
    .filter({ hasText: /^live[\d.]+ s behind$/ })
    .waitFor()
  const first = await text('#card-cpu .number')
  await expect.poll(() => text('#card-cpu .number')).not.toBe(first)
  expect(Object.fromEntries(protocols)).toMatchObject({
    ...{ '/': '200 h2', '/api/v1/live': '200 h2', '/api/v1/pipeline/live': '200 h2', '/api/v1/hosts': '200 h2' },
  })
  expect([...protocols.values()].filter((said) => !said.endsWith(' h2'))).toEqual([])
  expect(complaints).toEqual([])
})
