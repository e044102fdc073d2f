// The profilers of scripts/profile.sh: how each starts the server and collects, and how it makes its page out of that. Their libraries and
// not their commands, because the command of Clinic.js reports to its makers, and sends a server the signal to stop a second time, which
// tells ours to end at once and lose what was collected.
import { copyFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'

const require = createRequire(import.meta.url)
const NAME = 'server'

/**
 * @typedef {object} Tool
 * @property {(command: string[], folder: string) => Promise<void>} collect runs the command until it ends; what it finds goes into the folder
 * @property {(folder: string, html: string, seconds: number) => Promise<void>} visualize makes the page; the load took so long
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
      // Documented, read, and yet refused by its own check of options, which sees only what can be enumerated.
      const url = await zeroX(Object.defineProperty(options, 'mapFrames', { value: unlessWaiting }))
      await copyFile(new URL(url), html)
    },
  },
  'clinic-doctor': clinic('@clinic/doctor', 'clinic-doctor'),
  'clinic-flame': clinic('@clinic/flame', 'clinic-flame'),
  'clinic-bubbleprof': clinic('@clinic/bubbleprof', 'clinic-bubbleprof'),
  heap: clinic('@clinic/heap-profiler', 'clinic-heapprofiler'),
}

/** Node.js' loop without work is half of the ticks even at the limit, and a wide blank in a graph that is about CPU time. */
function unlessWaiting(frames) {
  return frames.some(({ name }) => name.startsWith('epoll_')) ? false : frames
}

/** A tool of Clinic.js. @param suffix of what it collects */
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
      // One of them shows it, and has measured it only where it has collected in the same process.
      const tool = Object.assign(open(folder), { elapsedTime: seconds })
      await promisify(tool.visualize.bind(tool))(join(folder, `${NAME}.${suffix}`), html)
    },
  }
}

/** Its parts are packages that only it depends on. */
function requireOfClinic(library) {
  return createRequire(require.resolve('clinic/package.json'))(library)
}
