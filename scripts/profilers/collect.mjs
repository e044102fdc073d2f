// Runs the server below a profiler:  node collect.mjs <tool> <folder> <node> <server> [arguments]
import { TOOLS } from './tools.mjs'

const [name, folder, ...command] = process.argv.slice(2)
const collected = TOOLS[name].collect(command, folder)
// The server has the signal itself, for both are of one process group. What some tools then send on would be the second, at which it ends
// at once and nothing is written.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.removeAllListeners(signal)
  process.on(signal, () => {})
}
await collected
