export const SCOPES = ['read', 'write', 'admin'] as const
/** What a key may do: none of them includes another. */
export type Scope = (typeof SCOPES)[number]

/** Who asks, as far as it has been proven. */
export interface Identity {
  /** The same for as long as the key is there: for limits and logs. It says nothing of the key itself. */
  readonly id: string
  readonly name: string
  /** A key of a person or program, or the token that the roles share. */
  readonly kind: 'key' | 'service'
  readonly scopes: readonly Scope[]
  /** When the key ends, ms since the epoch. */
  readonly endsAtMs: number | undefined
}

export function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text)
}
