// Runs the server under a profiler:  node collect.mjs <tool> <folder> <node> <server> [arguments]
import { TOOLS } from './tools.mjs'

const [name, folder, ...command] = process.argv.slice(2)
const collected = TOOLS[name].collect(command, folder)
// The server is in the same process group and gets the signal itself. Some tools forward it. At that second signal the
// server would end at once, and no data would be written.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.removeAllListeners(signal)
  process.on(signal, () => {})
}
await collected
