import { agent } from './agent.ts'
import { allocations, compareJson, comparePacked, comparePlain } from './compare.ts'
import { cpu25, cpu100 } from './cpu.ts'
import { cycle50, cycle100k, cycleMemory } from './fabric-cycle.ts'
import { gpuHistory, gpuHistoryInflux } from './gpu-history.ts'
import { hey50, hey100 } from './hey.ts'
import { hosts } from './hosts.ts'
import { intake } from './intake.ts'
import { latency25, latency100 } from './latency.ts'
import { memoryOutage, memorySteady } from './memory.ts'
import { pipelineFrames } from './pipeline-frames.ts'
import { queue1, queue4, queue16 } from './queue.ts'
import type { Row } from './row.ts'
import { everyday1, everyday4, SCALING } from './scaling.ts'
import { scrapeGpus, scrapeSeries } from './scrape.ts'
import { agents5k, agents10k, agentsOverload } from './sources.ts'
import { start } from './start.ts'
import { swap } from './swap.ts'
import { getMetric, getMetricWithKey, listMetrics } from './telemetry.ts'
import { frames, framesVictoria, json, packed, streams, streamsFrames } from './throughput.ts'

/** Everything that can be measured, in the order of the tables. */
export const ROWS: readonly Row[] = [
  ...[
    packed,
    json,
    frames,
    framesVictoria,
    cpu25,
    cpu100,
    latency25,
    latency100,
    streams,
    streamsFrames,
    everyday1,
    everyday4,
    pipelineFrames,
  ],
  ...[allocations, hosts, gpuHistory, gpuHistoryInflux, agent, start],
  ...[getMetric, getMetricWithKey, listMetrics, hey50, hey100, cycle50, cycle100k, cycleMemory, swap],
  ...[queue1, queue4, queue16],
  ...[agents5k, agents10k, agentsOverload, intake, scrapeSeries, scrapeGpus],
  ...SCALING,
  ...[memorySteady, memoryOutage],
  ...[comparePlain, compareJson, comparePacked],
]
