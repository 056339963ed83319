/** A Fastify app behind both limits and the authentication, with a protected and a public route. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import auth, { type AuthOptions } from '../../plugins/auth.js'
import preauthLimit, { type PreauthLimitOptions } from '../../plugins/preauth-limit.js'
import principalLimit, { type PrincipalLimitOptions } from '../../plugins/principal-limit.js'

export interface GuardedOptions {
  readonly auth: AuthOptions
  readonly address?: PreauthLimitOptions
  readonly user?: PrincipalLimitOptions
  readonly trustProxy?: string
}

/** `/private` and `/public` answer with the caller's id, or null. The app is closed at the test's end. */
export async function guardedApp (t: Test, options: GuardedOptions): Promise<FastifyInstance> {
  const app = Fastify({ trustProxy: options.trustProxy ?? false })
  t.teardown(() => app.close())
  await guard(app, options)
  return app
}

/** Adds both limits, the authentication and the two routes to an instance. */
export async function guard (app: FastifyInstance, options: GuardedOptions): Promise<void> {
  await app.register(preauthLimit, options.address ?? {})
  await app.register(auth, { allowWeakSecrets: true, ...options.auth })
  await app.register(principalLimit, options.user ?? {})
  app.all('/private', async (request) => ({ id: request.principal?.id ?? null }))
  app.get('/public', { config: { public: true } }, async (request) => ({ id: request.principal?.id ?? null }))
}

/** Returns the limit headers of a response by short names. */
export function limitsOf (response: { headers: Record<string, unknown> }): Record<string, unknown> {
  const { headers } = response
  return {
    limit: headers['x-ratelimit-limit'],
    remaining: headers['x-ratelimit-remaining'],
    policy: headers['ratelimit-policy'],
    retryAfter: headers['retry-after']
  }
}
