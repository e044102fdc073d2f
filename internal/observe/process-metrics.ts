import { readdirSync } from 'node:fs'
import { PerformanceObserver } from 'node:perf_hooks'
import { LatencyRecorder } from './latency.ts'
import type { Metrics } from './metrics.ts'
import { processCpuUs } from './process.ts'

/**
 * Often enough to see a pause, and rare enough to cost nothing. prom-client's own monitor wakes the process every 10
 * ms, which cost 0.9 % of a core: as much as an agent may use in total.
 */
const LAG_INTERVAL_MS = 200

/**
 * Adds metrics of the process under the names that Node.js dashboards use: CPU, memory, open files, garbage collection,
 * event loop.
 *
 * @param gcPauses records the pauses for garbage collection, µs
 * @returns stops the measurements
 */
export function addProcessMetrics(metrics: Metrics, gcPauses: LatencyRecorder): () => void {
  const startedAtS = Math.floor(Date.now() / 1000 - process.uptime())
  metrics.counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process and its ended children.',
    read: () => processCpuUs() / 1e6,
  })
  metrics.gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, seconds since the epoch.',
    read: () => startedAtS,
  })
  metrics.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process that is in RAM.',
    read: () => process.memoryUsage.rss(),
  })
  metrics.gauge({
    name: 'process_open_fds',
    help: 'Open file descriptors; -1 where the system does not say.',
    read: countOpenFiles,
  })
  metrics.gauge({
    name: 'nodejs_memory_bytes',
    help: 'Memory as Node.js sorts it.',
    label: 'kind',
    read: () => Object.entries(process.memoryUsage()),
  })
  const stopLag = watchEventLoop(metrics)
  const stopGc = watchGarbageCollection(metrics, gcPauses)
  return () => {
    stopLag()
    stopGc()
  }
}

function watchEventLoop(metrics: Metrics): () => void {
  const lag = new LatencyRecorder()
  let dueMs = performance.now() + LAG_INTERVAL_MS
  const timer = setInterval(() => {
    const nowMs = performance.now()
    lag.record(Math.round((nowMs - dueMs) * 1000))
    dueMs = nowMs + LAG_INTERVAL_MS
  }, LAG_INTERVAL_MS).unref()
  metrics.latency({
    name: 'nodejs_eventloop_lag_duration_seconds',
    help: `How late a timer is called, looked at every ${LAG_INTERVAL_MS} ms.`,
    read: () => lag,
  })
  metrics.counter({
    name: 'nodejs_eventloop_active_seconds_total',
    help: 'Time that the event loop was at work and not waiting.',
    read: () => performance.eventLoopUtilization().active / 1e3,
  })
  return () => clearInterval(timer)
}

function watchGarbageCollection(metrics: Metrics, pauses: LatencyRecorder): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.record(Math.round(duration * 1000))
  })
  observer.observe({ entryTypes: ['gc'] })
  metrics.latency({
    name: 'nodejs_gc_duration_seconds',
    help: 'Pauses for garbage collection.',
    read: () => pauses,
  })
  return () => observer.disconnect()
}

function countOpenFiles(): number {
  try {
    // One of them belongs to the listing itself.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return -1
  }
}
