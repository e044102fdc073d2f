import { createServer } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { choosePort, freePort } from './ports.ts'

afterEach(() => vi.restoreAllMocks())

/** Makes the next two calls try the same port first. */
function repeatTries(): void {
  const random = vi.spyOn(Math, 'random')
  for (const value of [0.5, 0.5, 0.5, 0.25]) random.mockReturnValueOnce(value)
}

async function listenOn(port: number): Promise<() => Promise<unknown>> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return () => new Promise((resolve) => server.close(resolve))
}

describe('a free port', () => {
  it('is below those of outgoing connections', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()))
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(10_000)
    expect(Math.max(...ports)).toBeLessThan(32_000)
  })

  it('is given once, though nothing listens there yet', async () => {
    const ports = []
    for (let n = 0; n < 3; n++) {
      vi.restoreAllMocks()
      repeatTries()
      ports.push(await freePort())
    }
    expect(new Set(ports).size).toBe(3)
  })

  it('is not one on which a program listens', async () => {
    repeatTries()
    const close = await listenOn(await freePort())
    vi.restoreAllMocks()
    repeatTries()
    const port = await freePort()
    await (await listenOn(port))()
    await close()
  })
})

describe('a port that somebody wants', () => {
  it('is given where it is free', async () => {
    const port = await freePort()
    expect(await choosePort(port, 'REDIS_PORT')).toBe(port)
  })

  it('is refused where it is taken, with the setting and what to do', async () => {
    const port = await freePort()
    const close = await listenOn(port)
    await expect(choosePort(port, 'REDIS_PORT')).rejects.toThrow(
      `REDIS_PORT: port ${port} of 127.0.0.1 is taken by another program: stop it, set another port, or 0 for a free one`,
    )
    await close()
  })

  it.each([0, undefined])('is any free one for %s', async (wanted) => {
    await (await listenOn(await choosePort(wanted, 'REDIS_PORT')))()
  })
})
