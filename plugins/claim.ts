/** `/claim/:code`: one-time links to created tokens. */
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { NotFoundError, UnavailableError, retryLater } from '../src/errors.js'
import { NotSharedError } from '../src/fleet/bus.js'
import { ipOf } from '../src/http/request/client-address.js'
import { decisionsOf } from '../src/http/decisions.js'
import type { OneTimeLinks, Parcel } from '../src/tokens/one-time-links.js'

export interface ClaimOptions {
  /** The links that wait to be used. */
  readonly claims: OneTimeLinks
  /** Default `/claim`. */
  readonly path?: string
}

const headers = {
  // Keeps the token out of caches, and the link out of the Referer header.
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-robots-tag': 'noindex',
  'x-content-type-options': 'nosniff',
  // The page loads nothing, runs nothing and cannot be framed; only its form works.
  'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

/** Longer codes are not ours. */
const maxCodeLength = 100

const claim: FastifyPluginAsync<ClaimOptions> = async (fastify, { claims, path = '/claim' }) => {
  const decisions = decisionsOf(fastify)
  fastify.addHook('onClose', async () => { claims.close() })

  await fastify.register(async scope => {
    // Accepts any body, and ignores it: the code is in the path.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { bodyLimit: 1024, parseAs: 'buffer' }, async () => null)

    // The same page for every code. It uses up no code, because link previews and prefetching load it first.
    scope.get(`${path}/:code`, { config: { public: true } }, async (_request, reply) =>
      send(reply, page('A token for you', form))
    )

    scope.post<{ Params: { code: string } }>(`${path}/:code`, { config: { public: true } }, async (request, reply) => {
      const { code } = request.params
      if (fastify.hasDecorator('refuseLockedOut')) await fastify.refuseLockedOut(request, reply)
      const parcel = code.length > maxCodeLength ? undefined : await fetched(claims, code)
      if (parcel !== undefined) {
        decisions.note({
          kind: 'token-claimed',
          outcome: 'allowed',
          at: Date.now(),
          requestId: request.id,
          address: ipOf(request),
          about: { subject: parcel.userId }
        })
        return /\btext\/html\b/.test(request.headers.accept ?? '')
          ? send(reply, page('Your token', shown(parcel)))
          : reply.headers(headers).send(parcel)
      }
      // A guess or a second use counts like a wrong credential.
      if (fastify.hasDecorator('chargeAddress')) await fastify.chargeAddress(request, reply)
      throw new NotFoundError({ reason: 'there is no token for this code', headers })
    })
  })
}

/** While the store is unavailable, the link is still valid: answer 503, not 404. */
async function fetched (claims: OneTimeLinks, code: string): Promise<Parcel | undefined> {
  try {
    return await claims.claim(code)
  } catch (error) {
    if (!(error instanceof NotSharedError)) throw error
    throw new UnavailableError(
      retryLater(1000, { reason: 'one-time links are not available at the moment', cause: error, headers })
    )
  }
}

function send (reply: FastifyReply, html: string): FastifyReply {
  return reply.headers(headers).type('text/html; charset=utf-8').send(html)
}

const form = `<p>This link shows a token once. Prepare a safe place for it first.</p>
<form method="post"><button>Show the token</button></form>
<p>Or, in a terminal: <code>curl -X POST</code> and the address of this page.</p>`

function shown ({ token, userId, role, expiresAt }: Parcel): string {
  return `<p>For ${escape(userId)}, role ${role}, valid until ${expiresAt}. It is not shown again.</p>
<pre>${escape(token)}</pre>
<p>Send it as <code>Authorization: Bearer</code>.</p>`
}

function page (title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body><h1>${title}</h1>
${body}
</body></html>
`
}

function escape (text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

/**
 * Serves `/claim/:code`: a page whose button returns a created token, once. `claims` are the links that wait.
 *
 * @example
 * await app.register(claim, { claims })
 */
export default fp(claim, { name: 'mcp-claim', fastify: '5.x' })
