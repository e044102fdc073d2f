/**
 * How much larger the last third of the values is than the second, %: by their means, because memory goes up and down with V8's collections. The
 * first third is left out: a heap comes to its size in it.
 */
export function growthPercent(values: readonly number[]): number {
  const third = Math.floor(values.length / 3)
  const second = mean(values.slice(-2 * third, -third))
  return (mean(values.slice(-third)) / second - 1) * 100
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
