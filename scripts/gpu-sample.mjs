// Writes a file with readings of GPUs as dumps of dcgm-exporter have them: a row a figure. From one --seed come the same rows.
// `npm run -s gpu-sample -- --gpus 250 --rows 1000000 > gpus.csv`
import { once } from 'node:events'
import { parseArgs } from 'node:util'

const HELP = `Writes readings of GPUs to stdout, a row a figure, as dumps of dcgm-exporter have them.

  --gpus <n>          how many GPUs, 8 a host (default: 250)
  --rows <n>          how many rows (default: 100000)
  --seed <n>          the same rows from the same seed (default: 1)
  --start <time>      the time of the first rows (default: 2025-07-18T20:42:34Z)
  --interval-ms <ms>  the time between two readings of a GPU (default: 10000)
  --awkward           also what files have beside good rows: no value, absurd values, rows that are no rows

  npm run -s gpu-sample -- --gpus 250 --rows 1000000 > gpus.csv
`

const options = readOptions()
const [gpus, rows, intervalMs] = [options.gpus, options.rows, options['interval-ms']].map(Number)
const GPUS_A_NODE = 8
const HEADER = 'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw\n'

let state = (Number(options.seed) * 2654435761 + 1) >>> 0
/** From 0 to below 1. */
function random() {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  state >>>= 0
  return state / 2 ** 32
}
const hex = (digits) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('')

const all = Array.from({ length: gpus }, (_, i) => {
  const [node, gpu] = [Math.floor(i / GPUS_A_NODE), i % GPUS_A_NODE]
  const [uuid, host] = [
    `GPU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`,
    `mtv5-dgx1-hgpu-${String(node + 1).padStart(3, '0')}`,
  ]
  const isUsed = random() < 0.7
  return {
    gpu,
    uuid,
    host,
    bus: `00000000:${hex(2).toUpperCase()}:00.0`,
    pod: isUsed ? `train-${node}-${gpu}` : '',
    load: isUsed ? 0.6 + random() * 0.35 : 0.02,
    energyMj: Math.floor(random() * 1e12),
    usedMib: 0,
  }
})

/** Of all metrics the name and the value of now, as the exporter prints it. */
const METRICS = [
  ['DCGM_FI_DEV_GPU_UTIL', (of) => Math.round(100 * clamp(of.load + (random() - 0.5) * 0.3))],
  ['DCGM_FI_DEV_MEM_COPY_UTIL', (of) => Math.round(60 * clamp(of.load + (random() - 0.5) * 0.3))],
  ['DCGM_FI_DEV_SM_CLOCK', (of) => (of.load < 0.1 ? 345 : 1755 + 15 * Math.floor(random() * 15))],
  ['DCGM_FI_DEV_MEM_CLOCK', () => 2619],
  ['DCGM_FI_DEV_GPU_TEMP', (of) => Math.round(30 + 45 * of.load + random() * 3)],
  ['DCGM_FI_DEV_MEMORY_TEMP', (of) => Math.round(35 + 50 * of.load + random() * 3)],
  ['DCGM_FI_DEV_POWER_USAGE', (of) => (70 + 600 * of.load + random() * 20).toFixed(6)],
  ['DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', (of) => (of.energyMj += Math.round((70 + 600 * of.load) * intervalMs))],
  ['DCGM_FI_DEV_FB_USED', (of) => (of.usedMib = Math.round(81_559 * clamp(of.load + (random() - 0.5) * 0.02)))],
  ['DCGM_FI_DEV_FB_FREE', (of) => 81_559 - of.usedMib],
]
/** So often a row is awkward; each has its turn. */
const AWKWARD_EVERY = 97
const AWKWARD_VALUES = [
  '9223372036854775794',
  '',
  'N/A',
  '4294967295',
  'ERROR - FAILED TO CONVERT TO STRING',
  '[Not Supported]',
  '2147483633',
  '140737488355328.000000',
  '<<<NOT_SUPPORTED>>>',
]

function clamp(value) {
  return Math.min(1, Math.max(0, value))
}

const tails = all.map((of) =>
  METRICS.map(([name]) => {
    const pod = of.pod === '' ? {} : { container: 'main', namespace: 'ml', pod: of.pod }
    const labels = {
      DCGM_FI_DRIVER_VERSION: '535.129.03',
      Hostname: of.host,
      UUID: of.uuid,
      __name__: name,
      ...pod,
      device: `nvidia${of.gpu}`,
      gpu: of.gpu,
      instance: `${of.host}:9400`,
      job: 'dgx_dcgm_exporter',
      modelName: 'NVIDIA H100 80GB HBM3',
      pci_bus_id: of.bus,
    }
    const raw = Object.entries(labels)
      .map(([label, value]) => `${label}=""${value}""`)
      .join(',')
    const cells = [
      name,
      of.gpu,
      `nvidia${of.gpu}`,
      of.uuid,
      'NVIDIA H100 80GB HBM3',
      of.host,
      pod.container ?? '',
      of.pod,
      pod.namespace ?? '',
    ]
    return [`${cells.join(',')},`, `,"${raw}"\n`]
  }),
)

async function write() {
  let text = options.awkward ? `\ufeff${HEADER.replace('\n', '\r\n')}` : HEADER
  let written = 0
  const startMs = Date.parse(options.start)
  for (let round = 0; written < rows; round++) {
    const time = new Date(startMs + round * intervalMs).toISOString().replace('.000', '')
    for (let i = 0; i < gpus && written < rows; i++) {
      for (let m = 0; m < METRICS.length && written < rows; m++, written++) {
        const value = METRICS[m][1](all[i])
        const [before, behind] = tails[i][m]
        const isAwkward = options.awkward && written % AWKWARD_EVERY === AWKWARD_EVERY - 1
        text += isAwkward
          ? awkward(Math.floor(written / AWKWARD_EVERY), time, before, behind)
          : `${time},${before}${value}${behind}`
      }
    }
    if (text.length > 2 ** 18 || written >= rows) {
      if (!process.stdout.write(text)) await once(process.stdout, 'drain')
      text = ''
    }
  }
  if (options.awkward) process.stdout.write('2025-07-18T20:42:34Z,DCGM_FI_DEV_GPU_UTIL,0,nvid')
}

function awkward(turn, time, before, behind) {
  const value = AWKWARD_VALUES[turn % (AWKWARD_VALUES.length + 3)]
  if (value !== undefined) return `${time},${before}${value}${behind}`
  const others = ['too,few,cells\n', `yesterday,${before}1${behind}`, `${time},${before}1,"never closed\n`]
  return others[turn % others.length]
}

process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})
await write()

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        gpus: { type: 'string', default: '250' },
        rows: { type: 'string', default: '100000' },
        seed: { type: 'string', default: '1' },
        start: { type: 'string', default: '2025-07-18T20:42:34Z' },
        'interval-ms': { type: 'string', default: '10000' },
        awkward: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    for (const name of ['gpus', 'rows', 'seed', 'interval-ms']) {
      if (!/^[0-9]{1,10}$/.test(values[name]))
        throw new Error(`--${name} must be a whole number, not "${values[name]}"`)
    }
    if (values.gpus === '0') throw new Error('--gpus must be at least 1')
    if (Number.isNaN(Date.parse(values.start))) throw new Error(`--start must be a time, not "${values.start}"`)
    return values
  } catch (error) {
    process.stderr.write(`${error.message}; see --help\n`)
    process.exit(2)
  }
}
