const KEY = 'sentinel.theme'

type Theme = 'light' | 'dark'

/** Applies the remembered theme, if there is one. */
export function applyTheme(): void {
  const theme = localStorage.getItem(KEY)
  if (theme !== null) document.documentElement.dataset.theme = theme
}

/**
 * Makes the button switch between light and dark. The page remembers only a choice that differs from the system; switching back
 * follows the system again. `theme-first.ts` applies the remembered theme before the first paint.
 */
export function connectTheme(button: HTMLButtonElement, changed: () => void): void {
  const systemIsDark = matchMedia('(prefers-color-scheme: dark)')
  const systemTheme = (): Theme => (systemIsDark.matches ? 'dark' : 'light')
  const currentTheme = (): Theme => (document.documentElement.dataset.theme as Theme | undefined) ?? systemTheme()
  const label = () => {
    const other = currentTheme() === 'dark' ? 'light' : 'dark'
    button.setAttribute('aria-label', `Switch to ${other} colours`)
    button.title = `Switch to ${other} colours`
  }
  button.addEventListener('click', () => {
    const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark'
    if (next === systemTheme()) {
      delete document.documentElement.dataset.theme
      localStorage.removeItem(KEY)
    } else {
      document.documentElement.dataset.theme = next
      localStorage.setItem(KEY, next)
    }
    label()
    changed()
  })
  systemIsDark.addEventListener('change', () => {
    label()
    changed()
  })
  label()
}

/** The colours of charts, read from the style sheet, because a canvas knows no CSS variables. */
export class Palette {
  readonly #probe = document.createElement('span')
  readonly #known = new Map<string, string>()

  constructor() {
    this.#probe.hidden = true
    document.body.append(this.#probe)
  }

  /** Forgets the colours, after the theme changed. */
  forget(): void {
    this.#known.clear()
  }

  /** The colour of a custom property, as `rgb(…)`. */
  colour(name: string): string {
    let colour = this.#known.get(name)
    if (colour === undefined) {
      this.#probe.style.color = `var(--${name})`
      colour = getComputedStyle(this.#probe).color
      this.#known.set(name, colour)
    }
    return colour
  }
}
