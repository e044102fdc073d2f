import { bench, describe } from 'vitest'
import { counted } from '../../../test/support/counted.ts'
import { blankHeader } from '../../codec/codec.ts'
import { FrameRowEncoder } from '../../codec/frame-rows.ts'
import { GpuReadings } from '../../gpu/readings.ts'
import { SeriesTable } from '../../sample/series.ts'
import { TextReader } from './text-reader.ts'

const LINES = 20_000
const FIRST_US = 1_763_900_000_000_000

/** Reads the same answer again and again, as one of a target that gives the same lines each time. */
function reads(text: string): () => Promise<number> {
  const body = Buffer.from(text)
  const encoder = new FrameRowEncoder()
  const gpus = new GpuReadings({ table: new SeriesTable() })
  const tags = { url: 'http://n1:9100/metrics', host: 'n1' }
  const send = async (): Promise<void> => void encoder.finish(blankHeader())
  const reader = new TextReader({ tags, maxSeries: 2 * LINES, gpus, encoder, send })
  let atUs = FIRST_US
  return async () => {
    atUs += 15e6
    const { values } = await reader.read(body, atUs)
    gpus.flush(() => {})
    return values
  }
}

/** Series by series, as client libraries write them. */
const narrow = Array.from({ length: LINES }, (_, i) => `kube_pod_info{namespace="team-${i % 40}",pod="worker-${i}-7f9c",node="node-${i % 300}",uid="5d2b7a1e-${i}"} ${i}\n`) // biome-ignore format: one line
/** 250 ports with 80 metrics each. */
const ports = Array.from({ length: LINES }, (_, i) => `Port${String.fromCharCode(65 + Math.floor(i / 250 / 26), 65 + (Math.floor(i / 250) % 26))}Extended{source="0xb83fd20000000001", node_guid="0xb83fd2${i % 250}", port_guid="0xb83fd2${i % 250}", port_num="1"} ${9e15 + i} 1763900000000\n`) // biome-ignore format: one line
/** 1,000 GPUs with 20 metrics each. */
const METRICS = ['GPU_UTIL', 'MEM_COPY_UTIL', 'FB_USED', 'FB_FREE', 'GPU_TEMP', 'MEMORY_TEMP', 'POWER_USAGE', 'SM_CLOCK', 'MEM_CLOCK', 'ENC_UTIL', 'DEC_UTIL', 'TOTAL_ENERGY_CONSUMPTION', 'PCIE_REPLAY_COUNTER', 'XID_ERRORS', 'NVLINK_BANDWIDTH_TOTAL', 'FB_RESERVED', 'CORRECTABLE_REMAPPED_ROWS', 'UNCORRECTABLE_REMAPPED_ROWS', 'ROW_REMAP_FAILURE', 'VGPU_LICENSE_STATUS'] // biome-ignore format: one line
const gpus = Array.from({ length: LINES }, (_, i) => `DCGM_FI_DEV_${METRICS[Math.floor(i / 1000)]}{gpu="${i % 8}",UUID="GPU-${i % 1000}",pci_bus_id="00000000:0${i % 8}:00.0",device="nvidia${i % 8}",modelName="NVIDIA H200",Hostname="n${i % 1000 >> 3}",container="c",namespace="n",pod="p-${i % 1000}"} ${i % 90}\n`) // biome-ignore format: one line

describe('an answer of a target, read and encoded', () => {
  bench('a series a line', counted(LINES, 'line', reads(narrow.join(''))))
  bench('ports of a fabric, with times', counted(LINES, 'line', reads(ports.join(''))))
  bench('GPUs', counted(LINES, 'line', reads(gpus.join(''))))
})
