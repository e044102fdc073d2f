import { homedir } from 'node:os'

const REDACTED = '***'
const URL_PASSWORD = /(:\/\/[^/?#\s:]*):[^/?#\s]*@/g
/** `--influx-token abc`, `--influx-token=abc`, `INFLUX_TOKEN=abc`. */
const GIVEN_SECRET = /(--[\w-]*(?:token|password|secret)[\w-]*[= ]|\b\w*(?:TOKEN|PASSWORD|SECRET)\w*=)\S+/g
const SECRET_NAME = /token|password|secret/i

/** A copy that may be published: without passwords and without the path of the user's home. */
export function published<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (name, part: unknown) => {
    if (typeof part !== 'string') return part
    return SECRET_NAME.test(name) && part !== '' ? REDACTED : clean(part)
  }) as T
}

function clean(text: string): string {
  const shown = text.replace(URL_PASSWORD, `$1:${REDACTED}@`).replace(GIVEN_SECRET, `$1${REDACTED}`)
  const home = homedir()
  // The user of a container may have no home.
  return home === '/' ? shown : shown.replaceAll(home, '~')
}
