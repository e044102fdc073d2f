import type { FastifyCompressOptions } from '@fastify/compress'

/**
 * Answers for clients that ask for gzip: the brief list of 10,000 hosts is an eighth then. Level 6, the default, takes
 * two thirds longer than level 3 and saves 4 % more bytes. Bodies of requests are not unpacked here.
 */
export const COMPRESSION = {
  encodings: ['gzip'],
  threshold: 2048,
  zlibOptions: { level: 3 },
  globalDecompression: false,
} satisfies FastifyCompressOptions
