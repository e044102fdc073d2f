import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Child } from './child.ts'
import { type Keeper, startKeeper } from './keeper.ts'

const signal = new AbortController().signal
const notUp = (): Promise<never> => Promise.reject(new Error('connection refused'))

let folder: string
let keeper: Keeper
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-child-'))
  keeper = startKeeper(folder)
})
afterEach(async () => {
  await keeper.release()
  expect(existsSync(folder)).toBe(false)
})

function start(script: string, graceMs = 20_000): Child {
  const command = ['sh', '-c', script]
  const env = { PATH: process.env.PATH ?? '' }
  return new Child({ name: 'it', command, env, folder, logFile: join(folder, 'it.log'), keeper, graceMs })
}

/** Resolves when the program says that it is ready. */
function ready(child: Child): Promise<void> {
  return child.untilUp(async () => {
    if (!existsSync(join(folder, 'ready'))) throw new Error('not yet')
  }, signal)
}

describe('a program that is waited for', () => {
  it('is asked until it answers', async () => {
    const child = start('sleep 100')
    let asked = 0
    expect(await child.untilUp(async () => (++asked < 3 ? notUp() : 'version 7'), signal)).toBe('version 7')
    await child.stop()
  })

  it('and ends first shows its last lines', async () => {
    const child = start('for i in $(seq 20); do echo "line $i"; done; exit 3')
    const failure = await child.untilUp(notUp, signal).catch((error: Error) => error.message)
    expect(failure).toMatch(/^it ended with 3; the end of .*it\.log:\n {2}line 9\n(.*\n)+ {2}line 20$/)
    expect((await child.ended)?.message).toBe(failure)
  })

  it('and ends without output says so', async () => {
    const child = start('kill -9 $$')
    await expect(child.untilUp(notUp, signal)).rejects.toThrow(/^it was ended by SIGKILL; it said nothing \(/)
  })

  it('and ends after its log was removed says that', async () => {
    const child = start('touch ready; while [ -e ready ]; do sleep 0.05; done; exit 4')
    await ready(child)
    rmSync(join(folder, 'it.log'))
    rmSync(join(folder, 'ready'))
    await expect(child.untilUp(notUp, signal)).rejects.toThrow('it ended with 4; its log is gone')
  })

  it('and is not up in time shows the last problem', async () => {
    const child = start('echo busy; touch ready; sleep 100')
    await ready(child)
    const failure = child.untilUp(notUp, signal, 1)
    await expect(failure).rejects.toThrow(/^it is not up after 0\.001 s \(connection refused\); .*\n {2}busy$/)
    await child.stop()
  })

  it('is no longer waited for when the signal aborts', async () => {
    // A shell that gets the signal while it starts another program still waits for that program, so it is killed at
    // once.
    const child = start('sleep 100', 0)
    const reason = new Error('enough')
    await expect(child.untilUp(notUp, AbortSignal.abort(reason))).rejects.toBe(reason)
    await expect(child.untilDone(AbortSignal.abort(reason))).rejects.toBe(reason)
    await child.stop()
  })

  it('and is not there says so', async () => {
    const options = { env: {}, folder, logFile: join(folder, 'it.log'), keeper, graceMs: 0 }
    const child = new Child({ name: 'it', command: ['/nowhere/program'], ...options })
    await expect(child.untilUp(notUp, signal)).rejects.toThrow(/^it could not be started: spawn .* ENOENT/)
    await child.stop()
  })
})

describe('a program that runs to its end', () => {
  it('is done when it ends with 0, and else shows its output', async () => {
    await start('exit 0').untilDone(signal)
    await expect(start('echo no network; exit 1').untilDone(signal)).rejects.toThrow(
      /^it ended with 1; .*\n {2}no network$/,
    )
  })
})

describe('a program that is stopped', () => {
  it('ends by itself, and its end is no failure', async () => {
    const child = start('trap "touch ended; exit 0" INT; touch ready; while :; do sleep 0.05; done')
    await ready(child)
    await child.stop()
    expect(existsSync(join(folder, 'ended'))).toBe(true)
    expect(await child.ended).toBeUndefined()
    await child.stop()
  })

  it('is killed with all that it started when it does not', async () => {
    const child = start('trap "" INT; (while :; do touch alive; sleep 0.05; done) & touch ready; wait', 100)
    await ready(child)
    await child.stop()
    rmSync(join(folder, 'alive'), { force: true })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(existsSync(join(folder, 'alive'))).toBe(false)
  })

  it('is told by `askToEnd` if it has one', async () => {
    const told = join(folder, 'told')
    const child = new Child({
      ...{
        name: 'it',
        command: ['sh', '-c', 'until [ -e told ]; do sleep 0.05; done'],
        folder,
        keeper,
        graceMs: 20_000,
      },
      ...{ env: { PATH: process.env.PATH ?? '' }, logFile: join(folder, 'it.log') },
      askToEnd: async () => import('node:fs/promises').then(({ writeFile }) => writeFile(told, '')),
    })
    await child.stop()
    expect(await child.ended).toBeUndefined()
  })
})

describe('a keeper', () => {
  it('ends what is still watched, runs a command, and removes the folder', async () => {
    const other = mkdtempSync(join(tmpdir(), "sentinel-keeper-it's "))
    const child = start('sleep 100')
    keeper.atEnd(['touch', join(other, 'a file')])
    await keeper.release()
    expect((await child.ended)?.message).toContain('it was ended by SIGKILL')
    expect(existsSync(join(other, 'a file'))).toBe(true)
    rmSync(other, { recursive: true })
  })
})
