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

/** The error of a `listen` in words, with what to change; the error itself where there is nothing to add. */
export function explainListenError(error: NodeJS.ErrnoException, place: ListenPlace): Error {
  const { host, port, portSetting, hostSetting } = place
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${port} of ${host} is taken by another program: end that, or set ${portSetting}`, {
        cause: error,
      })
    case 'EACCES':
      return new Error(`port ${port} is only for root: set ${portSetting} to one from 1024 on`, { cause: error })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new Error(`${host} is no address of this machine: set ${hostSetting}`, { cause: error })
    default:
      return error
  }
}

/** `http://127.0.0.1:6060`, or `http://[::1]:6060`. */
export function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
