import { Type } from '@sinclair/typebox'
import { SCOPES } from '../../auth/identity.ts'
import type { App } from '../../http/app-types.ts'
import type { Guard } from '../../http/guard.ts'
import { problems } from '../schemas.ts'

const WhoamiSchema = Type.Object(
  {
    keyNeeded: Type.Boolean({ description: 'Whether requests need a key. False where there are no keys.' }),
    name: Type.Union([Type.String(), Type.Null()], { description: 'Of the key of this request; null without one.' }),
    scopes: Type.Array(Type.String({ enum: [...SCOPES] }), { description: 'What this request may do.' }),
    endsAt: Type.Union([Type.Integer(), Type.Null()], {
      description: 'When the key ends, microseconds since the Unix epoch; null where it has no end.',
    }),
  },
  { description: 'Who asks.' },
)

/** `GET /whoami`: whose key a request has. It answers without a key too, so that the page knows whether to ask for one. */
export function addWhoamiRoute(app: App, guard: Guard | undefined): void {
  app.get(
    '/whoami',
    {
      config: { needs: 'anyone' },
      schema: {
        operationId: 'whoami',
        summary: 'Whose key this is, what it may do, and whether one is needed',
        tags: ['process'],
        response: { 200: WhoamiSchema, ...problems(401, 421, 429, 500) },
      },
    },
    async ({ identity }) => {
      const keyNeeded = guard?.isOn ?? false
      const { name = null, endsAtMs } = identity ?? {}
      const scopes = identity?.scopes ?? (keyNeeded ? [] : SCOPES)
      return { keyNeeded, name, scopes: [...scopes], endsAt: endsAtMs === undefined ? null : endsAtMs * 1000 }
    },
  )
}
