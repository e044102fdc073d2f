import { getWhoAmI, type WhoAmI } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import { keepKey, keptKey } from '../shared/kept-key.ts'
import { setKey } from '../shared/request.ts'
import { failureText, refusalText, whoSentence, whoText, whyText } from './login-text.ts'

export interface LoginEvents {
  /** A key is taken: all may be asked from now on. */
  opened(): void
  /** Nothing may be asked until a key is taken. */
  locked(): void
}

/**
 * The log-in with a key. The key is in the memory of this page, or, where the reader wants that, kept while the tab is open; every request
 * carries it in a header.
 */
export class Login {
  readonly #events: LoginEvents
  readonly #root = byId('login-view')
  readonly #field = byId<HTMLInputElement>('login-key')
  readonly #keep = byId<HTMLInputElement>('login-keep')
  readonly #send = byId<HTMLButtonElement>('login-send')
  #hasKey = false
  #isLocked = false
  #abort = new AbortController()
  #countdown: ReturnType<typeof setInterval> | undefined

  constructor(events: LoginEvents) {
    this.#events = events
    byId('login-form').addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#logIn(this.#field.value.trim())
    })
    byId('log-out').addEventListener('click', () => this.#logOut())
  }

  /** Whether the form is shown in place of the views. */
  get isLocked(): boolean {
    return this.#isLocked
  }

  /** Finds out whether a key is needed, and whether the one that the tab has kept still is taken. Shows the form where it has none. */
  async begin(): Promise<void> {
    const kept = keptKey()
    this.#use(kept)
    try {
      const who = await getWhoAmI(this.#begun())
      if (who.keyNeeded && who.name === null) this.lock()
      else this.#show(who)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // All else is told by the polls.
      if (error.state === 'locked') this.lock(error)
    }
  }

  /** The API wants a key, or another one. */
  lock(error?: ApiError): void {
    if (this.#isLocked) return
    const why = whyText(error, this.#hasKey)
    this.#use(undefined)
    keepKey(undefined)
    this.#showForm(why)
  }

  #begun(): AbortSignal {
    this.#abort.abort()
    this.#abort = new AbortController()
    return this.#abort.signal
  }

  #use(key: string | undefined): void {
    this.#hasKey = key !== undefined
    setKey(key)
  }

  async #logIn(key: string): Promise<void> {
    if (key === '') {
      this.#refuse('Enter a key.')
      return
    }
    const signal = this.#begun()
    this.#use(key)
    this.#send.disabled = true
    setText(this.#send, 'Asking …')
    try {
      const who = await getWhoAmI(signal)
      const refusal = who.keyNeeded ? refusalText(who) : undefined
      if (refusal === undefined) this.#enter(key, who)
      else this.#refuse(refusal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      this.#refuse(failureText(error))
      if (error.status === 429) this.#waitUntil(performance.now() + error.retryMs, error)
    }
  }

  #enter(key: string, who: WhoAmI): void {
    if (this.#keep.checked) keepKey(key)
    this.#field.value = ''
    this.#isLocked = false
    this.#refuse('')
    this.#root.hidden = true
    this.#show(who)
    this.#events.opened()
  }

  #logOut(): void {
    this.#use(undefined)
    keepKey(undefined)
    this.#showForm('You are logged out: this page has forgotten the key.')
  }

  #showForm(why: string): void {
    this.#begun()
    this.#isLocked = true
    this.#show(undefined)
    setText(byId('login-why'), why)
    this.#refuse('')
    this.#root.hidden = false
    this.#events.locked()
    document.title = 'Log in · SentinelStream'
    this.#field.focus()
  }

  /** Says why a key is not used; '' for nothing. */
  #refuse(text: string): void {
    clearInterval(this.#countdown)
    if (text !== '') this.#use(undefined)
    this.#send.disabled = false
    setText(this.#send, 'Log in')
    const error = byId('login-error')
    error.hidden = text === ''
    setText(error, text)
    setAttribute(this.#field, 'aria-invalid', String(text !== ''))
    if (text !== '') this.#field.select()
  }

  /** Counts down until the server may be asked again. */
  #waitUntil(atMs: number, error: ApiError): void {
    this.#send.disabled = true
    this.#countdown = setInterval(() => {
      const retryMs = Math.ceil((atMs - performance.now()) / 1000) * 1000
      if (retryMs <= 0) this.#refuse('')
      else setText(byId('login-error'), failureText(new ApiError(error.status, error.detail, { retryMs })))
    }, 1000)
  }

  /** Says whose key the page has. */
  #show(who: WhoAmI | undefined): void {
    const hasName = who !== undefined && who.name !== null
    byId('who').hidden = !hasName
    byId('log-out').hidden = !hasName
    if (!hasName) return
    setText(byId('who'), whoText(who))
    setAttribute(byId('who'), 'title', whoSentence(who))
    setAttribute(byId('log-out'), 'aria-label', `Log out. ${whoSentence(who)}`)
    setAttribute(byId('log-out'), 'title', `Log out ${who.name}`)
  }
}
