import { isDeepStrictEqual } from 'node:util'
import { ConfigError } from './error.ts'
import { type LoadedSettings, nest } from './load.ts'
import type { Setting } from './setting.ts'
import { allSettings, type SettingKey, type Settings, settingsOf } from './settings.ts'

/** Applies changed settings before it returns. It keeps what is already buffered. */
type Apply = (settings: Settings) => void

/** The result of a reload. */
export interface Reloaded {
  /** The changes that are in effect now, by key: `1s → 250ms`. */
  readonly changed: Readonly<Record<string, string>>
  /** The keys of changes that take effect at the next start. */
  readonly atNextStart: readonly string[]
  readonly warnings: readonly string[]
  readonly secrets: readonly string[]
  /** The parts that failed to apply a change. */
  readonly failures: ReadonlyArray<{ readonly keys: readonly string[]; readonly error: unknown }>
}

/**
 * The settings that a process runs with. `reload` reads them again, from the same flags and variables and from the
 * current files. A change takes effect when the setting can be reloaded and a part listens for it (`onReload`). Any
 * other change waits for the next start.
 */
export class LiveSettings {
  readonly #load: () => LoadedSettings
  readonly #schema: ReadonlyArray<readonly [key: string, setting: Setting<unknown>]>
  readonly #listeners: Array<{ readonly keys: readonly SettingKey[]; readonly apply: Apply }> = []
  #cameFromFile: boolean
  #inEffect: Settings
  /** Set once every part is open. Until then, a part that is not open yet will read the new value when it opens. */
  allOpen = false

  constructor(first: LoadedSettings, load: () => LoadedSettings) {
    this.#load = load
    this.#schema = settingsOf(first.role)
    this.#cameFromFile = comesFromFile(first)
    this.#inEffect = first.settings
  }

  /** The settings in effect. */
  get settings(): Settings {
    return this.#inEffect
  }

  /**
   * Calls `apply` when a reload changes one of the keys. A part that reads `settings` at each use leaves `apply` out.
   */
  onReload(keys: readonly SettingKey[], apply: Apply = () => {}): void {
    this.#listeners.push({ keys, apply })
  }

  /**
   * Reads all settings again and applies the changes that can be applied.
   *
   * @throws ConfigError with every problem; then no setting changes
   */
  reload(): Reloaded {
    const loaded = this.#load()
    // A full disk can cut a file short, and a pipe is empty at the second read. Nobody means to reset every setting
    // that way.
    if (this.#cameFromFile && !comesFromFile(loaded)) {
      throw new ConfigError(['the settings file sets nothing any more: is it empty?'])
    }
    const values = new Map(allSettings().map(([key]) => [key, valueAt(this.#inEffect, key)]))
    const changed: Record<string, string> = {}
    const atNextStart: string[] = []
    for (const [key, setting] of this.#schema) {
      const [before, after] = [valueAt(this.#inEffect, key), valueAt(loaded.settings, key)]
      if (isDeepStrictEqual(before, after)) continue
      if (this.#canApply(key, setting)) {
        values.set(key, after)
        changed[key] = `${show(setting, before)} → ${show(setting, after)}`
      } else atNextStart.push(key)
    }
    this.#inEffect = nest(values)
    this.#cameFromFile = comesFromFile(loaded)
    const failures = this.#notify(Object.keys(changed))
    return { changed, atNextStart, failures, warnings: loaded.warnings, secrets: loaded.secrets }
  }

  #canApply(key: string, { reloads }: Setting<unknown>): boolean {
    return reloads && (!this.allOpen || this.#listeners.some(({ keys }) => covers(keys, key)))
  }

  #notify(changed: readonly string[]): Reloaded['failures'] {
    const failures: Array<Reloaded['failures'][number]> = []
    for (const { keys, apply } of this.#listeners) {
      const relevant = changed.filter((key) => covers(keys, key))
      if (relevant.length === 0) continue
      try {
        apply(this.#inEffect)
      } catch (error) {
        failures.push({ keys: relevant, error })
      }
    }
    return failures
  }
}

function covers(keys: readonly SettingKey[], key: string): boolean {
  return keys.some((listed) => listed === key || key.startsWith(`${listed}.`))
}

function comesFromFile({ origins }: LoadedSettings): boolean {
  return [...origins.values()].some(({ kind }) => kind === 'file')
}

function valueAt(settings: Settings, key: string): unknown {
  const [group, name] = key.split('.') as [keyof Settings, string]
  return (settings[group] as Readonly<Record<string, unknown>>)[name]
}

function show(setting: Setting<unknown>, value: unknown): string {
  if (value === undefined) return 'none'
  return setting.secret ? '[redacted]' : setting.format(value) || 'none'
}
