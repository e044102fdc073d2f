// A worker that publishes at a steady rate, whatever its caller is doing, and counts how many subscribers Redis promised.
import { connect } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const TICK_MS = 10
const { port, channel, messageBytes, bytesPerSecond } = workerData
const payload = 'x'.repeat(messageBytes)
const command = `*3\r\n$7\r\nPUBLISH\r\n$${channel.length}\r\n${channel}\r\n$${messageBytes}\r\n${payload}\r\n`

const socket = connect(port, '127.0.0.1')
let promised = 0
let unanswered = 0
let sentBytes = 0
let isEnding = false
const startedMs = performance.now()

socket.on('data', (chunk) => {
  // `:1` or `:0` for each message.
  for (const byte of chunk) {
    if (byte === 0x31) promised++
    if (byte === 0x0a) unanswered--
  }
  if (isEnding && unanswered === 0) {
    parentPort.postMessage(promised)
    socket.destroy()
  }
})

const timer = setInterval(() => {
  const dueBytes = ((performance.now() - startedMs) * bytesPerSecond) / 1000
  const messages = Math.floor((dueBytes - sentBytes) / messageBytes)
  if (messages <= 0) return
  sentBytes += messages * messageBytes
  unanswered += messages
  socket.write(command.repeat(messages))
}, TICK_MS)

parentPort.once('message', () => {
  clearInterval(timer)
  isEnding = true
  unanswered++
  socket.write(`*3\r\n$7\r\nPUBLISH\r\n$4\r\nnone\r\n$1\r\nx\r\n`)
})
