import type { InfluxTransport } from './transport.ts'

/** Whether an InfluxDB 2.x has no user, organisation and bucket yet: until then it answers 401 to every token. */
export async function isNotSetUp(transport: InfluxTransport, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await transport.send({ method: 'GET', path: '/api/v2/setup', isPublic: true }, signal)
    return answer.status === 200 && /"allowed":\s*true/.test(answer.body)
  } catch {
    return false
  }
}
