const ZERO = 48
const NINE = 57

/**
 * Natural order: sw2 before sw10. What is equal but for leading zeros keeps the order of its characters. A collator of
 * `Intl` takes ten times as long, and 100,000 ids are compared at each change of theirs.
 */
export function naturally(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(j)]
    if (isDigit(x) && isDigit(y)) {
      const [endOfA, endOfB] = [endOfDigits(a, i), endOfDigits(b, j)]
      const difference = compareNumbers(a, i, endOfA, b, j, endOfB)
      if (difference !== 0) return difference
      i = endOfA
      j = endOfB
    } else {
      if (x !== y) return x - y
      i++
      j++
    }
  }
  return a.length - i - (b.length - j) || (a < b ? -1 : a > b ? 1 : 0)
}

function compareNumbers(a: string, i: number, endOfA: number, b: string, j: number, endOfB: number): number {
  let [x, y] = [afterZeros(a, i, endOfA), afterZeros(b, j, endOfB)]
  if (endOfA - x !== endOfB - y) return endOfA - x - (endOfB - y)
  for (; x < endOfA; x++, y++) {
    const difference = a.charCodeAt(x) - b.charCodeAt(y)
    if (difference !== 0) return difference
  }
  return 0
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE
}

function endOfDigits(text: string, from: number): number {
  let end = from
  while (end < text.length && isDigit(text.charCodeAt(end))) end++
  return end
}

function afterZeros(text: string, from: number, end: number): number {
  let start = from
  while (start < end - 1 && text.charCodeAt(start) === ZERO) start++
  return start
}
