/** The service as a protected resource of an identity provider, under a public URL, and its clients. */
import { UnauthorizedError as ModernUnauthorizedError } from '@modelcontextprotocol/client'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type AppOptions, buildApp } from '../../src/app.js'
import { patient, signingKey } from './issuer.js'
import { logSink } from './log-sink.js'
import { type ProviderOptions, type RunningProvider, runningProvider } from './provider.js'
import { listening } from './service.js'
import { until } from './until.js'

export const key = await signingKey('ES256', 'first')
export const publicUrl = 'https://mcp.example.com'
export const resource = `${publicUrl}/mcp`
export const metadataUrl = `${publicUrl}/.well-known/oauth-protected-resource/mcp`

/** Starts a service that accepts tokens of `issuer`. `env` adds settings. It is closed at the test's end. */
export async function resourceServer (
  t: Test,
  issuer: string,
  { env = {}, ...options }: AppOptions = {}
): Promise<FastifyInstance> {
  const app = await buildApp({
    env: { JWT_ISSUER: issuer, PUBLIC_URL: publicUrl, ...patient, ...env },
    logStream: logSink(),
    ...options
  })
  t.teardown(() => app.close())
  return app
}

export async function both (
  t: Test,
  options: Partial<ProviderOptions> = {},
  settings: AppOptions = {}
): Promise<{ provider: RunningProvider; app: FastifyInstance }> {
  const provider = await runningProvider(t, { key, ...options })
  const app = await resourceServer(t, provider.issuer, settings)
  await until(async () => !(await app.inject('/ready')).payload.includes('"keys"'))
  return { provider, app }
}

export const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })
export const thrownBy = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => undefined,
    (error: unknown) => error
  )
/** Returns true if the SDK redirected to the provider and needs a code. */
export const isUnauthorized = (error: unknown): boolean =>
  error instanceof UnauthorizedError || error instanceof ModernUnauthorizedError

/** Returns a `fetch` that sends requests for the public URL to the app, as a proxy would. */
export async function proxyTo (app: FastifyInstance): Promise<typeof fetch> {
  const base = await listening(app)
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    return await fetch(url.origin === publicUrl ? new URL(url.pathname + url.search, base) : url, init)
  }
}
