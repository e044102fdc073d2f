/**
 * What our listeners need of `node:http`. An `import` of it reads every export, and for one of them, `WebSocket`,
 * Node.js loads undici, HTTP/2 and what they need: an agent had 12 MB more (Node.js 24.22).
 */
export const { createServer, STATUS_CODES, validateHeaderValue } = process.getBuiltinModule('node:http')
