/**
 * Eight hexadecimal digits that nobody else draws, for names that need to be different and may be guessed: `node:crypto`
 * costs an agent 1.6 MB.
 */
export function randomHex(): string {
  return Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
}
