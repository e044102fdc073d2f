// The profilers of scripts/profile.sh: how each starts the server, collects its data, and makes its page. They are used
// as libraries, not as commands. The command of Clinic.js reports to its makers, and sends the server a second signal
// to stop. At the second signal our server ends at once, and the collected data would be lost.
import { copyFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'

const require = createRequire(import.meta.url)
const NAME = 'server'

/**
 * @typedef {object} Tool
 * @property {(command: string[], folder: string) => Promise<void>} collect runs the command until it ends, and writes
 *   its data into the folder
 * @property {(folder: string, html: string, seconds: number) => Promise<void>} visualize makes the page; `seconds` is
 *   the length of the load
 */

/** @type {Record<string, Tool>} */
export const TOOLS = {
  '0x': {
    async collect([program, ...args], folder) {
      const zeroX = require('0x')
      const options = { pathToNodeBinary: program, argv: args, title: 'sentinel server', workingDir: process.cwd() }
      await zeroX({ ...options, outputDir: join(folder, '0x'), collectOnly: true, silent: true })
    },
    async visualize(folder, html) {
      const zeroX = require('0x')
      const options = { visualizeOnly: join(folder, '0x'), workingDir: process.cwd(), silent: true }
      // `mapFrames` is documented and works, but the check of options refuses it. The check sees only enumerable
      // properties.
      const url = await zeroX(Object.defineProperty(options, 'mapFrames', { value: unlessWaiting }))
      await copyFile(new URL(url), html)
    },
  },
  'clinic-doctor': clinic('@clinic/doctor', 'clinic-doctor'),
  'clinic-flame': clinic('@clinic/flame', 'clinic-flame'),
  'clinic-bubbleprof': clinic('@clinic/bubbleprof', 'clinic-bubbleprof'),
  heap: clinic('@clinic/heap-profiler', 'clinic-heapprofiler'),
}

/**
 * Leaves out the frames of the idle event loop. Even at full load they are half of the ticks, and would be a wide blank
 * in a graph of CPU time.
 */
function unlessWaiting(frames) {
  return frames.some(({ name }) => name.startsWith('epoll_')) ? false : frames
}

/** A tool of Clinic.js. @param suffix of the files that it collects */
function clinic(library, suffix) {
  const open = (folder) => {
    const Tool = requireOfClinic(library)
    return new Tool({ dest: folder, name: NAME })
  }
  return {
    async collect(command, folder) {
      const tool = open(folder)
      await promisify(tool.collect.bind(tool))(command)
    },
    async visualize(folder, html, seconds) {
      // One of the tools shows this time. It measures the time only if it collects in the same process.
      const tool = Object.assign(open(folder), { elapsedTime: seconds })
      await promisify(tool.visualize.bind(tool))(join(folder, `${NAME}.${suffix}`), html)
    },
  }
}

/** Loads a part of Clinic.js, which is a dependency of the `clinic` package only. */
function requireOfClinic(library) {
  return createRequire(require.resolve('clinic/package.json'))(library)
}
