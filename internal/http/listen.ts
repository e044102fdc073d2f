import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Where a server listens, and the settings that change it. */
export interface ListenPlace {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Named when the address cannot be had: `--admin-port or SENTINEL_ADMIN_PORT`. */
  readonly portSetting: string
  readonly hostSetting: string
}

/** @throws Error that says in words why it cannot listen there, and what to change */
export async function listen(server: Server, place: ListenPlace): Promise<AddressInfo> {
  const { host, port } = place
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(explainListenError(error, place))
    server.once('error', fail)
    server.listen({ host, port }, () => {
      server.off('error', fail)
      resolve()
    })
  })
  return server.address() as AddressInfo
}

/** Turns an error of `listen` into words that say what to change. Unknown errors stay as they are. */
export function explainListenError(error: NodeJS.ErrnoException, place: ListenPlace): Error {
  const { host, port, portSetting, hostSetting } = place
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${port} of ${host} is taken by another program: stop it, or set ${portSetting}`, {
        cause: error,
      })
    case 'EACCES':
      return new Error(`only root may use port ${port}: set ${portSetting} to 1024 or above`, { cause: error })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new Error(`${host} is not an address of this machine: set ${hostSetting}`, { cause: error })
    default:
      return error
  }
}

/**
 * `http://127.0.0.1:6060`, or `http://[::1]:6060`: as a browser of this machine opens it. The address for all addresses
 * of a machine (0.0.0.0) is none that a browser can open everywhere, so loopback takes its place.
 */
export function urlOf({ address, family, port }: AddressInfo, scheme: 'http' | 'https' = 'http'): string {
  if (family === 'IPv6') return `${scheme}://[${address === '::' ? '::1' : address}]:${port}`
  return `${scheme}://${address === '0.0.0.0' ? '127.0.0.1' : address}:${port}`
}
