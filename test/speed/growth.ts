/**
 * How much a figure grows an hour, by the straight line that is nearest to it (least squares). Less sensitive to V8's collections than the
 * difference between the last reading and the first.
 */
export function growthPerHour(points: ReadonlyArray<{ readonly atS: number; readonly value: number }>): number {
  const mean = (of: (point: (typeof points)[number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [atS, value] = [mean((point) => point.atS), mean((point) => point.value)]
  const covariance = mean((point) => (point.atS - atS) * (point.value - value))
  const variance = mean((point) => (point.atS - atS) ** 2)
  return variance === 0 ? 0 : (covariance / variance) * 3600
}
