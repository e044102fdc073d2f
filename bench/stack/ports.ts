import { createServer } from 'node:net'

/**
 * A port of 127.0.0.1 to listen on.
 *
 * @param wanted 0 takes a free one
 * @param setting by which somebody wanted it, for the message
 * @throws Error where the wanted one is taken
 */
export async function choosePort(wanted = 0, setting = ''): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new Error(
              `${setting}: port ${wanted} of 127.0.0.1 is taken by another program: end that, set another, or 0 for a free one`,
              { cause },
            )
          : cause,
      ),
    )
    server.listen(wanted, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has no port')
  return address.port
}
