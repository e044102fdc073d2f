import { defineConfig } from 'vitest/config'

// From the quickest to the slowest. Only `unit` runs without a server or a browser; the others start what they
// need themselves (test/support/servers.ts) and fail, naming the install command, where it is missing.
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
          exclude: ['**/*.contract.test.ts', '**/*.influxdb2.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['{internal,bench}/**/*.contract.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // Stands apart: needs a Docker engine, and builds the images.
          name: 'compose',
          include: ['test/compose/{compose,benchmark}.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // Stands apart: needs an InfluxDB 2.7, which Debian has not (INFLUX_URL, or a program named by INFLUXD2).
          name: 'influxdb2',
          include: ['internal/**/*.influxdb2.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'page',
          include: ['test/page/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
