import { chmod, copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { TestAuthority } from '../../test/support/certificates.ts'
import { readMaterial, type TlsFiles } from './material.ts'
import { keyModeProblem, validityOf } from './validity.ts'
import { WatchedTls } from './watched.ts'

const DAY_MS = 86_400_000
let authority: TestAuthority
let files: Required<TlsFiles> & { certFile: string; keyFile: string; caFile: string }
beforeAll(async () => {
  authority = await TestAuthority.make()
  files = { ...(await authority.issue('server')), caFile: authority.caFile }
})
afterAll(() => authority.remove())

const pathOf = (name: string): string => join(authority.folder, name)
async function fileOf(name: string, text: string): Promise<string> {
  await writeFile(pathOf(name), text)
  return pathOf(name)
}

describe('files of TLS', () => {
  it('are read where they belong together', async () => {
    const { cert, key, ca } = await readMaterial(files)
    expect([cert, key, ca]).toEqual(
      await Promise.all([files.certFile, files.keyFile, files.caFile].map((path) => readFile(path, 'utf8'))),
    )
    expect(await readMaterial({})).toEqual({})
  })

  it('are refused with the name of the file, and nothing of a key', async () => {
    const other = await authority.issue('other')
    const empty = await fileOf('empty.pem', ' \n')
    const cut = await fileOf('cut.pem', (await readFile(files.certFile, 'utf8')).slice(0, 200))
    const damaged = await fileOf('damaged.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    const broken = await fileOf('broken.key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
    const inverse = await fileOf('inverse.pem', (await authority.ca()) + (await readFile(files.certFile, 'utf8')))
    const cases: Array<[TlsFiles, RegExp]> = [
      [{ certFile: '/none.pem' }, /^\/none\.pem cannot be read: ENOENT/],
      [{ caFile: empty }, /empty\.pem is empty$/],
      [
        { ...files, keyFile: other.keyFile },
        /^the key in .*other\.key is not that of the certificate in .*server\.pem$/,
      ],
      [{ ...files, certFile: cut }, /cut\.pem has no certificate in PEM$/],
      [{ ...files, certFile: files.keyFile }, /server\.key has no certificate in PEM$/],
      [{ ...files, certFile: damaged }, /damaged\.pem has no certificate in PEM that can be read: /],
      [{ ...files, keyFile: broken }, /broken\.key has no private key in PEM that can be read: /],
      [{ ...files, keyFile: files.certFile }, /server\.pem has no private key in PEM that can be read: /],
      [{ ...files, certFile: inverse }, /, whose own certificate must come before those of its authorities$/],
      [{ caFile: files.keyFile }, /server\.key has no certificate in PEM$/],
      [{ caFile: damaged }, /damaged\.pem has no certificate in PEM that can be read: /],
    ]
    for (const [given, words] of cases) await expect(readMaterial(given)).rejects.toThrow(words)
  })

  it('have an end, which is near, over, or not begun', async () => {
    const material = await readMaterial(files)
    const at = (days: number) => validityOf(material, files, Date.now() + days * DAY_MS)
    expect(at(1)).toMatchObject({ isValid: true, problem: '', daysLeft: expect.closeTo(29, 1) })
    expect(at(1)?.text).toMatch(/^127\.0\.0\.1, localhost; ends on \d{4}-\d\d-\d\d, in 28 days$/)
    expect(at(20)).toMatchObject({ isValid: true, problem: expect.stringMatching(/in 9 days: renew it$/) })
    expect(at(40)).toMatchObject({ isValid: false, problem: expect.stringContaining('has ended on') })
    expect(at(-9)).toMatchObject({ isValid: false, problem: expect.stringContaining('is not valid before') })
    expect(validityOf({}, {}, 0)).toBeUndefined()
  })

  it('have a key that nobody else can read, or say so', async () => {
    await chmod(files.keyFile, 0o600)
    expect(await keyModeProblem(files)).toBe('')
    await chmod(files.keyFile, 0o644)
    expect(await keyModeProblem(files)).toMatch(/server\.key can be read by every user: chmod 600 it$/)
    expect(await keyModeProblem({})).toBe('')
  })
})

describe('files of TLS that are watched', () => {
  async function watch() {
    const [certFile, keyFile] = [pathOf('live.pem'), pathOf('live.key')]
    await copyFile(files.certFile, certFile)
    await copyFile(files.keyFile, keyFile)
    const refused: string[] = []
    // The test looks itself.
    const watched = await WatchedTls.open({
      ...{ files: { certFile, keyFile }, pollMs: DAY_MS },
      onRefused: (problem) => refused.push(problem),
    })
    onTestFinished(() => watched.close())
    const applied: string[] = []
    watched.onChange(({ cert }) => applied.push(cert!))
    const look = async (): Promise<void> => {
      await watched.look()
      await watched.look()
    }
    return { watched, refused, applied, look, certFile, keyFile }
  }

  it('are taken when they are replaced, once both have stayed the same for a look', async () => {
    const { watched, refused, applied, look, certFile, keyFile } = await watch()
    await look()
    const next = await authority.issue('next')
    await copyFile(next.certFile, certFile)
    await watched.look()
    // Until here certificate and key do not belong together.
    await rename(next.keyFile, keyFile)
    await watched.look()
    expect([watched.stats, refused]).toEqual([{ reloads: 0, refused: 0 }, []])
    await watched.look()
    expect(watched.stats).toEqual({ reloads: 1, refused: 0 })
    expect(applied).toEqual([watched.material.cert])
    expect(watched.material.cert).toBe(await readFile(certFile, 'utf8'))
  })

  it('stay as they were where new ones cannot be used, which is said once', async () => {
    const { watched, refused, applied, look, certFile, keyFile } = await watch()
    const { material } = watched
    const ended = await authority.issue('ended', -1)
    const faults: Array<[() => Promise<unknown>, RegExp]> = [
      [() => copyFile(ended.certFile, certFile), /is not that of the certificate/],
      [() => copyFile(ended.keyFile, keyFile), /has ended on .*: renew it/],
      [() => rm(keyFile), /live\.key cannot be read: ENOENT/],
    ]
    for (const [fault, words] of faults) {
      await fault()
      for (let n = 0; n < 2; n++) await look()
      expect(refused.splice(0)).toEqual([expect.stringMatching(words)])
    }
    expect([watched.material, watched.stats, applied]).toEqual([material, { reloads: 0, refused: 3 }, []])
  })

  it('stay as they were where their user refuses new ones', async () => {
    const { watched, refused, look, certFile, keyFile } = await watch()
    const { material } = watched
    watched.onChange(() => {
      throw new Error('not this one')
    })
    const next = await authority.issue('unwanted')
    await copyFile(next.certFile, certFile)
    await copyFile(next.keyFile, keyFile)
    await look()
    expect([watched.material, refused]).toEqual([material, ['not this one']])
  })
})
