/** What an error says, for people: `catch` gives anything, and some errors have a name only. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
