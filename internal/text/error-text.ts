/** The message of anything that was caught. For an error without a message, its name. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
