/** The route `/oauth/authorize`: the sign-in pages, and the redirects back to the client. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ForbiddenError, isRefusal, RateLimitedError, UnauthenticatedError } from '../../../errors.js'
import { toRefusal } from '../../../to-refusal.js'
import { ipOf } from '../../../http/request/client-address.js'
import { pageHeaders } from '../../../pages/page.js'
import { type ClientView, consentPage, keyPage, noticePage, type SignInView } from '../../../pages/sign-in.js'
import type { Principal } from '../../../principal/principal.js'
import { whyRefused } from '../../../principal/why-refused.js'
import { AuthorizationRedirectError } from '../authorization-request.js'
import { type Client, isLoopbackOnly } from '../clients/client.js'
import { endpointPaths } from '../protocol/metadata.js'
import { AuthorizationPageError, OAuthError } from '../protocol/oauth-error.js'
import type { Parameters } from '../protocol/parameters.js'
import { formActionSource, redirectTarget } from '../protocol/redirects.js'
import type { AuthorizationServer } from '../server.js'
import type { ConsentStep, Step } from '../sign-in.js'
import { cookieHeader, newCookie, readCookie } from './cookie.js'
import { noteRefusal } from './decisions.js'
import { acceptForms, asStoreError } from './json-routes.js'

export interface PageOptions {
  readonly server: AuthorizationServer
  /** Returns the number of tools that the caller may use. */
  readonly countTools: (principal: Principal) => number
}

const wrongKey = 'That key was not accepted. Check that it is complete and that it is a key of this server.'
const notAllowed =
  'That key is valid, but it cannot sign in apps. Ask the operator of this server for another key.'

export async function registerPages (scope: FastifyInstance, { server, countTools }: PageOptions): Promise<void> {
  const place = new URL(server.issuer).host
  const action = new URL(server.issuer + endpointPaths.authorize).pathname
  await acceptForms(scope)
  scope.setErrorHandler(async (error, request, reply) => { await sendError(error, request, reply) })

  async function sendError (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (error instanceof AuthorizationRedirectError) {
      request.log.info({ code: error.code, reason: error.message }, 'an authorization request was refused')
      await reply
        .headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
        .redirect(error.location, 302)
      return
    }
    const { title, message, statusCode, reason } = asPageError(error)
    if (statusCode === 500) request.log.error({ err: error }, 'fault')
    else request.log.info({ reason }, 'an authorization page was refused')
    if (isRefusal(error)) noteRefusal(request, error)
    if (isRefusal(error) && error.headers !== undefined) reply.headers(error.headers)
    await reply.code(statusCode).headers(pageHeaders()).send(noticePage(place, title, message))
  }

  async function sendStep (
    reply: FastifyReply,
    { request: { redirectUri } }: Step,
    html: string,
    status = 200
  ): Promise<void> {
    await reply
      .code(status)
      .headers(pageHeaders([formActionSource(redirectUri)]))
      .send(html)
  }

  function viewOf ({ client, request, handle }: Step): SignInView {
    return { place, action, handle, client: clientView(client, request.redirectUri) }
  }

  function consentHtml (step: ConsentStep): string {
    const { principal, keyName, scopes, missing } = step
    return consentPage({
      ...viewOf(step),
      owner: principal.id.replace(/^user:/, ''),
      keyName: keyName === undefined ? `${principal.keyId ?? ''}` : `${keyName} (${principal.keyId ?? ''})`,
      isAdmin: principal.role === 'admin',
      scopes,
      missing,
      tools: countTools({ ...principal, scopes }),
      endsAt: principal.expiresAt
    })
  }

  // GET changes nothing on the server, because link previews and prefetching also send it.
  scope.get(endpointPaths.authorize, { config: { public: true } }, async (request, reply) => {
    const [, query = ''] = /\?(.*)$/s.exec(request.url) ?? []
    const { client, request: authorization } = await server.authorize(query)
    const cookie = readCookie(request.headers.cookie) ?? newCookie()
    const step = server.signIn.begin(client, authorization, cookie)
    reply.header('set-cookie', cookieHeader(cookie))
    await sendStep(reply, step, keyPage({ ...viewOf(step), scopes: authorization.scopes }))
    return reply
  })

  scope.post<{ Body: Parameters }>(endpointPaths.authorize, { config: { public: true } }, async (request, reply) => {
    requireSameSite(request)
    const { handle = '', action: pressed, key = '' } = request.body ?? {}
    const cookie = readCookie(request.headers.cookie)
    switch (pressed) {
      case 'deny': {
        const location = await server.signIn.deny(handle, cookie)
        request.log.info('the user denied a client')
        return await leave(reply, location)
      }
      case 'approve': {
        const { location, grantId, client, principal } = await server.signIn.approve(handle, cookie)
        request.log.info(
          { grant: grantId, client: client.id, principal: principal.id, keyId: principal.keyId },
          'the user approved a client'
        )
        return await leave(reply, location)
      }
      default: {
        // No action is sent if the user pressed Enter in the key field.
        if (scope.hasDecorator('refuseLockedOut')) await scope.refuseLockedOut(request, reply)
        const outcome = await server.signIn.giveKey(handle, cookie, key, {
          address: ipOf(request),
          requestId: request.id
        })
        if (outcome.kind === 'consent') {
          await sendStep(reply, outcome.step, consentHtml(outcome.step))
          return reply
        }
        request.log.info({ reason: outcome.reason }, 'a key was refused at the sign-in')
        const Refused = outcome.kind === 'wrong' ? UnauthenticatedError : ForbiddenError
        noteRefusal(request, new Refused({ reason: outcome.reason, why: whyRefused(outcome.reason) }))
        // A wrong key counts as a failed request of the address, like a wrong credential on the endpoint
        // (guessing).
        if (outcome.kind === 'wrong' && scope.hasDecorator('chargeAddress')) await scope.chargeAddress(request, reply)
        const { step } = outcome
        const problem = outcome.kind === 'wrong' ? wrongKey : notAllowed
        await sendStep(
          reply,
          step,
          keyPage({ ...viewOf(step), scopes: step.request.scopes, problem }),
          outcome.kind === 'wrong' ? 401 : 403
        )
        return reply
      }
    }
  })
}

/** Redirects with 303, so that the browser uses GET and a reload does not send the form again. */
async function leave (reply: FastifyReply, location: string): Promise<FastifyReply> {
  return await reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).redirect(location, 303)
}

function clientView (client: Client, redirectUri: string): ClientView {
  return {
    name: client.name,
    identity: identityOf(client),
    target: redirectTarget(redirectUri),
    redirectUri,
    isLoopbackOnly: isLoopbackOnly(client)
  }
}

function identityOf ({ source, id }: Client): ClientView['identity'] {
  if (source === 'registered') return { kind: 'operator' }
  return source === 'document' ? { kind: 'host', host: new URL(id).host } : { kind: 'nobody' }
}

/** Refuses forms of other sites. Old browsers do not send the header; the cookie protects those. */
function requireSameSite ({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return
  throw new AuthorizationPageError(
    'The form was sent by another site',
    'Go back to the app and connect again.',
    { statusCode: 403, reason: 'the form came from another site' }
  )
}

function asPageError (error: unknown): AuthorizationPageError {
  if (error instanceof AuthorizationPageError) return error
  const title = 'The sign-in failed'
  const unavailable = asStoreError(error)
  if (unavailable !== undefined) {
    return new AuthorizationPageError(
      'Try again in a moment',
      'This server cannot continue the sign-in right now. Wait a minute and reload the page.',
      { statusCode: unavailable.statusCode, reason: unavailable.message, cause: error }
    )
  }
  if (error instanceof OAuthError) {
    return new AuthorizationPageError(title, 'Go back to the app and connect again.', {
      statusCode: error.statusCode,
      reason: error.message
    })
  }
  const { code, statusCode, message } = toRefusal(error)
  if (code === RateLimitedError.code) {
    return new AuthorizationPageError(
      'Too many attempts',
      'Too many keys were refused from your network. Wait a few minutes, then try again.',
      { statusCode, reason: message }
    )
  }
  if (statusCode < 500) {
    return new AuthorizationPageError(title, 'Go back to the app and connect again.', {
      statusCode,
      reason: message
    })
  }
  return new AuthorizationPageError(
    'Something went wrong',
    'The server failed. Try again in a moment. If it fails again, tell the operator of this server.',
    { statusCode, reason: message, cause: error }
  )
}
