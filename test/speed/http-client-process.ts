// Asks for one URL over so many keep-alive connections, each with one request at a time, as fast as answers come, and prints
// {"requests": …, "seconds": …, "cpuUs": …} of the time after the warm-up. It reads no more of an answer than its status and its length:
// on two cores a client that is slower than the server would measure itself.
//
//   node http-client-process.mjs <url> <connections> <seconds> <header>
import { connect, type Socket } from 'node:net'

const WARM_UP_MS = 1_000
const HEAD_END = '\r\n\r\n'

const [url, connections, seconds, header] = process.argv.slice(2)
const { hostname, port, host, pathname, search } = new URL(url!)
const request = Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${header}\r\n\r\n`)

let requests = 0
for (let n = 0; n < Number(connections); n++) ask(connect({ host: hostname, port: Number(port), noDelay: true }))
setTimeout(() => {
  const before = { requests, cpu: process.cpuUsage(), atMs: performance.now() }
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before.cpu)
    const elapsedMs = performance.now() - before.atMs
    console.log(
      JSON.stringify({ requests: requests - before.requests, seconds: elapsedMs / 1000, cpuUs: user + system }),
    )
    process.exit()
  }, Number(seconds) * 1000)
}, WARM_UP_MS)

function ask(socket: Socket): void {
  /** Of an answer that has not ended. */
  let rest: Buffer | undefined
  socket.on('connect', () => socket.write(request))
  socket.on('error', (error) => fail(error.message))
  socket.on('end', () => fail('the server ended a connection'))
  socket.on('data', (chunk: Buffer) => {
    const answer = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    if (answer.length < lengthOf(answer)) {
      rest = answer
      return
    }
    rest = undefined
    requests++
    socket.write(request)
  })
}

/** Bytes of the whole answer, head and body; Infinity while the head has not ended. */
function lengthOf(answer: Buffer): number {
  const headEnd = answer.indexOf(HEAD_END)
  if (headEnd < 0) return Infinity
  const head = answer.toString('latin1', 0, headEnd)
  const bodyLength = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (!head.startsWith('HTTP/1.1 200') || bodyLength === undefined) fail(`not an answer to measure:\n${head}`)
  return headEnd + HEAD_END.length + Number(bodyLength)
}

function fail(reason: string): never {
  console.error(`${url}: ${reason}`)
  process.exit(1)
}
