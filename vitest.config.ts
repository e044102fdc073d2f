import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/*
 * From the quickest to the slowest. Only `unit` runs without a server or a browser; the others start what they need themselves
 * (test/support/servers.ts) and fail, naming the install command, where it is missing.
 *
 * Files run side by side: each has ports, folders and servers of its own. Files of `unit` wait a third of the time, for sockets, files and
 * timers, so one more runs than there are cores. Files of the other projects mostly wait for servers, so twice as many run.
 */
const CORES = availableParallelism()
/** How long `expect.poll` asks again. Its default of a second is short on a machine whose cores run other tests. */
const PATIENT = { poll: { timeout: 20_000 } }
const WORKING = { expect: PATIENT, maxWorkers: CORES + 1, sequence: { groupOrder: 1 } }
const WAITING = { expect: PATIENT, maxWorkers: Math.max(4, CORES), sequence: { groupOrder: 2 } }
const ALONE = { expect: PATIENT, fileParallelism: false, sequence: { groupOrder: 3 } }

/** Tests that measure this process itself: what other files left in it would be measured too. */
const MEASURING = ['internal/observe/profiling/*.test.ts', 'bench/baseline/*.test.ts']

/**
 * Tests that take profiles: beside others they would see too little of what they look for. And one of thousands of
 * publishers: beside others, its server would get no processor for longer than Redis waits.
 */
const ALONE_FILES = ['test/system/{profiling,profile-script,come-back}.test.ts']

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{cmd,internal,bench,web}/**/*.test.ts',
            'test/{fuzz,bench,scripts,speed}/*.test.ts',
            'test/compose/rules.test.ts',
          ],
          exclude: ['**/*.contract.test.ts', '**/*.influxdb2.test.ts', ...MEASURING],
          // The slowest take 4 s on a free core, and share the cores with the other parts of `npm run check`.
          testTimeout: 60_000,
          // Files share the modules that they import: a third less CPU. So no test may leave a mock or a changed global behind.
          isolate: false,
          ...WORKING,
        },
      },
      {
        test: {
          name: 'unit-isolated',
          include: MEASURING,
          exclude: ['**/*.contract.test.ts'],
          testTimeout: 60_000,
          ...WORKING,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['{internal,bench}/**/*.contract.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...WAITING,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: ALONE_FILES,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...WAITING,
        },
      },
      {
        test: {
          name: 'system-alone',
          include: ALONE_FILES,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...ALONE,
        },
      },
      {
        test: {
          name: 'page',
          include: ['test/page/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          ...WAITING,
        },
      },
      {
        test: {
          // Stands apart: takes some minutes, and a GB of memory and of disk.
          name: 'large',
          include: ['test/large/*.test.ts'],
          testTimeout: 1_800_000,
          hookTimeout: 120_000,
          ...ALONE,
        },
      },
      {
        test: {
          // Stands apart: needs a Docker engine, and builds the images.
          name: 'compose',
          include: ['test/compose/{compose,benchmark}.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 900_000,
          ...ALONE,
        },
      },
      {
        test: {
          // Stands apart: needs an InfluxDB 2.7, which Debian has not (INFLUX_URL, or a program named by INFLUXD2).
          name: 'influxdb2',
          include: ['internal/**/*.influxdb2.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...ALONE,
        },
      },
    ],
  },
})
