/**
 * µs since the machine started. All processes of the machine read the same timer, and setting the clock does not move
 * it. So two of its values give an age where the clock may have been set in between.
 */
export function machineUptimeUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + Math.floor(nanoseconds / 1000)
}
