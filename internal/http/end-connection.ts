import type { FastifyReply, FastifyRequest } from 'fastify'

/** Lets no other request follow on the connection of this one. In HTTP/2 each has a stream of its own. */
export function endConnection(request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.httpVersionMajor < 2) reply.header('connection', 'close')
}
