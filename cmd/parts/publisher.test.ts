import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MemoryBroker } from '../../internal/broker/memory/broker.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { quietContext } from '../program/quiet-context.ts'
import { ROLES } from '../program/roles.ts'
import { dataFolder } from './data-folder.ts'
import { OUTBOX, openPublisher } from './publisher.ts'

it('what is to be remembered of a publisher is written after its stop, while its folder is still locked', async () => {
  const path = await mkdtemp(join(tmpdir(), 'sentinel-publisher-'))
  const context = quietContext(loadSettings(ROLES.up, { 'data.path': path }, {}))
  const order: string[] = []
  const hasLock = async () => (await readdir(dataFolder(context.settings, 'gpu'))).includes('lock')
  const broker = new MemoryBroker({ logger: context.logger })
  await openPublisher(context, broker, 'gpu', {
    ...OUTBOX,
    afterStop: async () => void order.push((await hasLock()) ? 'locked' : 'not locked'),
  })
  context.releaser.push('source', () => void order.push('source'))
  await context.releaser.release(5000)
  expect([...order, await hasLock()]).toEqual(['source', 'locked', false])
  await rm(path, { recursive: true })
})
