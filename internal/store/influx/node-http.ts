/**
 * HTTP for requests to InfluxDB. Not by `import`, for the reason in `internal/http/node-http.ts`: it loads undici and
 * HTTP/2, and a server had 9 MB more (Node.js 24.22).
 */
export const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule('node:http')
export const { Agent: HttpsAgent, request: httpsRequest } = process.getBuiltinModule('node:https')
