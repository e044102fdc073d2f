import { createSocket, type Socket } from 'node:dgram'
import { createServer } from 'node:net'

/**
 * Below the ports that the system uses for outgoing connections (from 32768 on Linux, from 49152 elsewhere). So no
 * connection takes a port between our choice and the start of the server, or while the server restarts.
 */
const FIRST_PORT = 10_000
const END_PORT = 32_000
const TRIES = 200

/**
 * A free TCP port of 127.0.0.1. While this process runs, no other call returns it, in this process or another. So
 * servers may be started side by side and restarted on their ports.
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
 * The port that the user set, or a free one.
 *
 * @param wanted 0 or undefined: a free one
 * @param setting its name, for the message
 * @throws Error if the port that the user set is taken
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
 * @returns undefined if another call holds it
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
