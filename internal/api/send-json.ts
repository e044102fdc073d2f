import type { FastifyReply } from 'fastify'
import { JSON_TYPE } from '../http/answer.ts'

/** Sends what is JSON already, such as an answer that was made once for all clients. */
export function sendJson(reply: FastifyReply, json: string | Buffer): FastifyReply {
  return reply.type(JSON_TYPE).send(json)
}
