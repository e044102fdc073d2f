import { rm, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KeyFileScene } from '../../test/support/keys.ts'
import { KeyFileError } from './key-file.ts'
import { newKey } from './secret.ts'

let scene: KeyFileScene

beforeEach(async () => {
  scene = await KeyFileScene.open()
})
afterEach(() => scene.close())

it('knows the keys of its file by themselves, and nothing else', async () => {
  const [reader, writer] = [await scene.add('reader', ['read']), await scene.add('writer', ['write', 'admin'])]
  const ring = await scene.ring()
  expect(ring.identify(reader)).toMatchObject({ name: 'reader', kind: 'key', scopes: ['read'] })
  expect(ring.identify(writer)).toMatchObject({ name: 'writer', scopes: ['write', 'admin'] })
  for (const wrong of ['', 'reader', newKey(), reader.slice(0, -1), `${reader} `, reader.toUpperCase()])
    expect(ring.identify(wrong), wrong).toBeUndefined()
  expect(ring.usable).toBe(2)
})

it('is 256 bits long, and never the same', () => {
  const keys = Array.from({ length: 1000 }, newKey)
  expect(new Set(keys).size).toBe(1000)
  for (const key of keys) expect(Buffer.from(key.replace(/^sentinel_/, ''), 'base64url')).toHaveLength(32)
})

it('ends a key at its end', async () => {
  let nowMs = Date.parse('2026-01-01')
  const key = await scene.add('guest', ['read'], new Date('2026-01-02'))
  const ring = await scene.ring({ nowMs: () => nowMs })
  const identity = ring.identify(key)!
  nowMs = Date.parse('2026-01-02') - 1
  expect([ring.identify(key), ring.isGood(identity), ring.usable]).toEqual([identity, true, 1])
  nowMs++
  expect([ring.identify(key), ring.isGood(identity), ring.usable]).toEqual([undefined, false, 0])
  expect(ring.isConfigured).toBe(true)
})

it('follows its file without being asked', async () => {
  const ring = await scene.ring()
  expect(ring.isConfigured).toBe(false)
  const key = await scene.add('new', ['read'])
  await expect.poll(() => ring.identify(key)?.name).toBe('new')
  const identity = ring.identify(key)!
  let changes = 0
  const undo = ring.onChange(() => changes++)
  await scene.revoke('new')
  await expect.poll(() => ring.isGood(identity)).toBe(false)
  expect([ring.identify(key), changes]).toEqual([undefined, 1])
  undo()
  await scene.add('other', ['read'])
  await ring.refresh()
  expect([ring.usable, changes]).toEqual([1, 1])
})

it('takes a key of the same name for another one', async () => {
  await scene.add('grafana', ['read'])
  const before = await scene.ring()
  const id = before.identify(await replaced(before))!.id
  const identity = before.identify(await replaced(before))!
  expect(identity.name).toBe('grafana')
  expect(identity.id).not.toBe(id)

  async function replaced(ring: typeof before): Promise<string> {
    await scene.revoke('grafana')
    const key = await scene.add('grafana', ['read'])
    await ring.refresh()
    return key
  }
})

it('stays locked when its file disappears, and keeps its keys when it cannot be read', async () => {
  const key = await scene.add('reader', ['read'])
  const problems: string[] = []
  const ring = await scene.ring({ onProblem: (problem) => problems.push(problem) })
  await writeFile(scene.path, '{')
  await ring.refresh()
  expect(ring.identify(key)?.name).toBe('reader')
  expect(problems.join()).toContain('the keys of before stay')
  expect(ring.problem).toContain(scene.path)
  await rm(scene.path)
  await ring.refresh()
  expect([ring.identify(key), ring.isConfigured, ring.problem]).toEqual([undefined, true, ''])
})

it('does not open with a file that cannot be read', async () => {
  await writeFile(scene.path, 'keys')
  await expect(scene.ring()).rejects.toThrow(KeyFileError)
})

it('knows a key of the settings with every scope, and the token of the roles, which is no key', async () => {
  let [own, token]: Array<string | undefined> = ['a-key-of-the-operator', 'a-token-of-the-roles']
  const ring = await scene.ring({ ownKey: () => own, serviceToken: () => token })
  expect(ring.identify('a-key-of-the-operator')).toMatchObject({ name: 'API_KEY', scopes: ['read', 'write', 'admin'] })
  const service = ring.identifyService('a-token-of-the-roles')!
  expect(service).toMatchObject({ name: 'service', kind: 'service' })
  expect([ring.identify('a-token-of-the-roles'), ring.identifyService('a-key-of-the-operator')]).toEqual([
    undefined,
    undefined,
  ])
  ;[own, token] = [undefined, undefined]
  await ring.refresh()
  expect([ring.identify('a-key-of-the-operator'), ring.isGood(service), ring.hasServiceToken]).toEqual([
    undefined,
    false,
    false,
  ])
  expect(ring.identifyService('')).toBeUndefined()
})
