export interface RedisPlace {
  readonly host: string
  readonly port: number
  readonly database: number
  readonly username: string
  readonly password: string
  readonly secure: boolean
  /** For people: the URL without user and password. */
  readonly address: string
}

/** @throws TypeError that hides the user and the password of the text */
export function parseRedisUrl(text: string): RedisPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const database = Number(url?.pathname.slice(1))
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !Number.isInteger(database)) {
    throw new TypeError(`${redactUrl(text)} is not a Redis URL: redis://[user[:password]@]host[:port][/database]`)
  }
  const port = url.port === '' ? 6379 : Number(url.port)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    database,
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    secure: url.protocol === 'rediss:',
    address: `${url.protocol}//${url.hostname}:${port}`,
  }
}

/** Replaces user and password by `***`, so that the text may be logged, also where it is not a URL. */
export function redactUrl(text: string): string {
  return text.replace(/^([a-z]+:\/\/)?[^/]*@/i, '$1***@')
}
