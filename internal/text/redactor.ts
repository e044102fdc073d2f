const REDACTED = '[redacted]'
/** A shorter secret also occurs inside ordinary words, which would become unreadable. */
const SHORTEST_SECRET = 4

/** `scheme://user:password@` or `scheme://token@`. It ends at the last @ before the path: a password may contain one. */
const USER_INFO = /(:\/\/)([^\s/?#"'<>:@]*)(:[^\s/?#"<>]*)?@/g
/** A parameter of a URL that by its name is a secret. `p` is the password of InfluxDB 1.x. */
const SECRET_PARAMETER =
  /([?&](?:[\w-]*(?:token|passw|pwd|secret|api[_-]?key|credential|signature)[\w-]*|p|auth|sig)=)[^\s&#"'<>]+/gi
/** The header, as a proxy repeats it in an error. */
const AUTHORIZATION = /\b(authorization["'\\]*\s*[:=]\s*["'\\]*(?:(?:basic|bearer|token)\s+)?)[^\s"',;<>\\]+/gi

interface Known {
  readonly text: string
  /** Enough of it to recognise the beginning of a secret whose end was cut off. */
  readonly beginning: string
}

/**
 * Takes secrets out of texts that leave the process: log lines, reasons of `/ready`, findings, errors. What the
 * programs write themselves has none; but a store, a proxy or a library may repeat what it was sent.
 */
export class Redactor {
  /** The longest first: a shorter one may be a part of it. */
  #known: readonly Known[] = []

  constructor(secrets: Iterable<string> = []) {
    this.add(secrets)
  }

  /** From now on these are taken out too. */
  add(secrets: Iterable<string>): void {
    const texts = new Set(this.#known.map(({ text }) => text))
    for (const secret of secrets) {
      if (secret.length < SHORTEST_SECRET) continue
      for (const form of formsOf(secret)) texts.add(form)
    }
    this.#known = Array.from(texts, (text) => ({ text, beginning: beginningOf(text) })).sort(
      (a, b) => b.text.length - a.text.length,
    )
  }

  /** The text without secrets: known ones, and what looks like one in a URL or a header. */
  hide(text: string): string {
    let clean = text
    for (const { text: secret } of this.#known) clean = clean.replaceAll(secret, REDACTED)
    // After all whole ones: the beginning of one form is often that of another.
    for (const known of this.#known) if (clean.includes(known.beginning)) clean = withoutBeginning(clean, known)
    return hideByForm(clean)
  }

  /** Takes secrets out of the message of an error, and returns the error. */
  hideIn(error: unknown): unknown {
    if (error instanceof Error) {
      const clean = this.hide(error.message)
      if (clean !== error.message) error.message = clean
    }
    return error
  }
}

function hideByForm(text: string): string {
  let clean = text
  if (clean.includes('://')) {
    clean = clean.replace(USER_INFO, (_all, slashes: string, user: string, password?: string) =>
      password === undefined || password === ':' || user === '' ? `${slashes}***@` : `${slashes}${user}:***@`,
    )
  }
  if (clean.includes('=')) clean = clean.replace(SECRET_PARAMETER, '$1***')
  return clean.replace(AUTHORIZATION, `$1${REDACTED}`)
}

/** A secret as others may repeat it: in JSON, in a URL, in a page of HTML. */
function formsOf(secret: string): string[] {
  const escaped = secret.replace(/[&<>"']/g, (character) => HTML[character]!)
  const inUrl = encodeURIComponent(secret.toWellFormed())
  return [secret, JSON.stringify(secret).slice(1, -1), inUrl, inUrl.replaceAll('%20', '+'), escaped]
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }

/** Half of a secret, 8 to 16 characters. A short secret is its own beginning. */
function beginningOf(text: string): string {
  return text.slice(0, Math.min(16, Math.max(8, Math.ceil(text.length / 2))))
}

/** Without what was cut off: as many characters as are equal. */
function withoutBeginning(text: string, { text: secret, beginning }: Known): string {
  let clean = ''
  let from = 0
  for (let at = text.indexOf(beginning); at >= 0; at = text.indexOf(beginning, from)) {
    let end = at + beginning.length
    while (end - at < secret.length && text[end] === secret[end - at]) end++
    clean += `${text.slice(from, at)}${REDACTED}`
    from = end
  }
  return clean + text.slice(from)
}
