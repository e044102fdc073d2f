import { createSocket, type Socket } from 'node:dgram'
import { createServer } from 'node:net'

/**
 * Below the ports that the system gives to outgoing connections (from 32768 on Linux, from 49152 elsewhere): no connection takes a port
 * between our choice and the start of the server, or while the server is down for a restart.
 */
const FIRST_PORT = 10_000
const END_PORT = 32_000
const TRIES = 200

/**
 * A TCP port of 127.0.0.1 that is free, and that no other call returns while this process runs, in this process or another. Servers may
 * therefore be started side by side, and may be restarted on their ports.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (END_PORT - FIRST_PORT))
    const claim = await claimPort(port)
    if (claim === undefined) continue
    if ((await listenProblem(port)) === undefined) return port
    claim.close()
  }
  throw new Error(`no free port of 127.0.0.1 in ${TRIES} tries from ${FIRST_PORT} to ${END_PORT - 1}`)
}

/**
 * The port that the user wants, or a free one.
 *
 * @param wanted 0 or undefined: a free one
 * @param setting that names the port, for the message
 * @throws Error where the wanted one is taken
 */
export async function choosePort(wanted: number | undefined, setting: string): Promise<number> {
  if (wanted === undefined || wanted === 0) return freePort()
  const cause = await listenProblem(wanted)
  if (cause === undefined) return wanted
  if (cause.code !== 'EADDRINUSE') throw cause
  throw new Error(
    `${setting}: port ${wanted} of 127.0.0.1 is taken by another program: stop it, set another port, or 0 for a free one`,
    { cause },
  )
}

/**
 * Takes the UDP port of the same number: a lock that all processes see and that the system releases when this process ends.
 *
 * @returns undefined where another call has it
 */
function claimPort(port: number): Promise<Socket | undefined> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close()
      resolve(undefined)
    })
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(socket.unref()))
  })
}

/** Why no server can listen on the port; undefined where one can. */
async function listenProblem(port: number): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer()
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve)
    server.listen(port, '127.0.0.1', () => resolve(undefined))
  })
  if (problem === undefined) await new Promise((resolve) => server.close(resolve))
  return problem
}
