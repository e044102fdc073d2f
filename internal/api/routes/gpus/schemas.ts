import { Type } from '@sinclair/typebox'

/** A figure or text that may be unknown. */
export function orNull<T extends 'string' | 'number' | 'integer'>(type: T, description?: string) {
  return Type.Unsafe<(T extends 'string' ? string : number) | null>({
    type: [type, 'null'],
    ...(description === undefined ? {} : { description }),
  })
}

export const GpuParams = Type.Object({
  id: Type.String({
    minLength: 1,
    maxLength: 1024,
    description:
      'A `uuid`, or a `device_id`, or a `gpu_id`. Where GPUs of several hosts have it, `hostname` has to say which.',
    examples: ['GPU-5fd4f087-86f3-7a43-b711-4771313afc50', 'gpu-001'],
  }),
})

/** What says which GPU it is, beside the path. */
export const WHICH_GPU = {
  hostname: Type.Optional(Type.String({ maxLength: 1024, description: 'The host of the GPU.' })),
  mig: Type.Optional(
    Type.String({ maxLength: 256, description: 'Only this part of the GPU: its `GPU_I_ID`. Default: all of them.' }),
  ),
}

export const NAMES = Type.Optional(
  Type.Literal('dcgm', { description: 'Names and units of dcgm-exporter up to 4.8. Default: those of fields.' }),
)

/** What a GPU is called, and what runs on it. */
export const IDENTITY = {
  uuid: orNull('string'),
  gpu_id: orNull('string', 'Its index on the host.'),
  device_id: orNull('string', 'As its source calls it: the label `device_id`, or `device`.'),
  model_name: orNull('string'),
  hostname: orNull('string'),
  mig: orNull('string', 'Of a part of a GPU that is used as one: its `GPU_I_ID`.'),
  pod: orNull('string', 'Several, with commas between them, where pods share the GPU.'),
  namespace: orNull('string'),
  container: orNull('string'),
}

const GpuSchema = Type.Object({
  ...IDENTITY,
  last_seen: Type.String({
    format: 'date-time',
    description:
      'When its newest sample arrived; of a GPU of which nothing has arrived for a day: the time of its newest stored sample.',
  }),
  age_ms: Type.Integer({ minimum: 0 }),
  stale: Type.Boolean({ description: 'As that of a host.' }),
  utilization_percent: orNull('number', 'Of a part (MIG), which has none: how busy its engine is.'),
  memory_percent: orNull('number'),
  memory_used_bytes: orNull('number'),
  memory_total_bytes: orNull('number', 'Where the source does not give it: what is used, free and reserved together.'),
  temperature_celsius: orNull('number'),
  power_watts: orNull('number'),
  power_limit_watts: orNull('number'),
  xid: orNull('number', 'The last Xid error, which stays; 0: none yet.'),
})

export const GpusSchema = Type.Object(
  {
    now: Type.Optional(Type.Integer({ description: 'µs' })),
    partial: Type.Optional(
      Type.Boolean({
        description:
          'True until the store has answered, and while it does not answer: GPUs that are not live may be missing.',
      }),
    ),
    count: Type.Integer({ minimum: 0, description: 'How many there are, on all pages.' }),
    next: Type.Optional(orNull('string', 'Give it as `after` to get the next page; null on the last one.')),
    gpus: Type.Union([Type.Array(GpuSchema), Type.Array(Type.String())], {
      description: 'By host, index and uuid. With `fields=uuid` only their names: the uuid, or else the `device_id`.',
    }),
  },
  { description: 'The GPUs. A figure is null where the source does not give it, and while the GPU is stale.' },
)

export const NamespacesSchema = Type.Object(
  {
    count: Type.Integer({ minimum: 0 }),
    namespaces: Type.Array(Type.Object({ namespace: Type.String(), gpu_count: Type.Integer({ minimum: 1 }) })),
  },
  { description: 'The namespaces whose pods have GPUs, by name. A GPU that several share counts for each.' },
)

const PointSchema = Type.Object(
  {
    device_id: Type.String(),
    metric: Type.String(),
    value: Type.Unsafe<number | string | boolean>({
      type: ['number', 'string', 'boolean'],
      description: 'An integer beyond 2^53 that a JSON number cannot hold exactly is a string of its digits.',
    }),
    time: Type.String({ format: 'date-time' }),
    gpu_id: Type.String(),
    uuid: Type.String(),
    modelName: Type.String(),
    Hostname: Type.String(),
    container: Type.String(),
    pod: Type.String(),
    namespace: Type.String(),
    labels_raw: Type.String(),
  },
  { description: 'A value. A text is empty where it is not known; those of pods are of the time of the value.' },
)

export const TelemetrySchema = Type.Object(
  {
    gpu_id: Type.String({ description: 'The id that was asked for.' }),
    count: Type.Integer({ minimum: 0, description: 'Of this page.' }),
    data: Type.Array(PointSchema, { description: 'The newest first.' }),
    next: orNull('string', 'Give it as `after` to get the next page; null on the last one.'),
  },
  { description: 'Stored values of the GPU, one a metric and time.' },
)
