import type { TimeWindow } from '../shared/period.ts'

/** Every chart reports the same drag, the one under the pointer first. A second report would zoom into the zoomed window. */
export function once(zoom: (window: TimeWindow) => void): (window: TimeWindow) => void {
  let isZooming = false
  return (window) => {
    if (isZooming) return
    isZooming = true
    queueMicrotask(() => {
      isZooming = false
      zoom(window)
    })
  }
}
