/** The token and the revocation endpoint, without HTTP (OAuth 2.1 §3.2, RFC 7009). */
import { randomBytes } from 'node:crypto'
import { holdsScope } from '../../principal/access.js'
import { isVerified } from '../../principal/presented.js'
import type { AccessTokens } from './access-tokens.js'
import { namesResource } from './authorization-request.js'
import type { Assertions } from './clients/assertion.js'
import type { Client } from './clients/client.js'
import type { ClientDirectory } from './clients/directory.js'
import { type Codes, provesChallenge } from './codes.js'
import type { Grant } from './grant.js'
import { claimsOfGrant, type Grants, type OnReuse, type ReusedGrant } from './grants.js'
import type { IdJagVerifier } from './id-jag.js'
import { assertionType, idJagGrant } from './protocol/metadata.js'
import { OAuthError } from './protocol/oauth-error.js'
import { optionalParameter, type Parameters as Fields, required } from './protocol/parameters.js'

export interface TokenEndpointOptions {
  readonly clients: ClientDirectory
  readonly assertions: Assertions
  readonly codes: Codes
  readonly grants: Grants
  readonly accessTokens: AccessTokens
  readonly resource: string
  readonly accessTtlSeconds: number
  /** `undefined` if no issuer of assertions is trusted. */
  readonly verifyIdJag: IdJagVerifier | undefined
  /** Called when a code is used twice. */
  readonly onReuse: OnReuse
}

export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
  readonly refresh_token?: string
  readonly scope: string
}

export interface Issued {
  readonly answer: TokenAnswer
  readonly grant: GrantNews
  /** The grant type: `authorization_code`, `refresh_token` or `id-jag`. */
  readonly by: string
}

/** A created or revoked grant, for the log and the audit. `keyId` is omitted for assertions. */
export interface GrantNews {
  readonly id: string
  readonly clientId: string
  readonly subject?: string | undefined
  readonly keyId?: string | undefined
}

export interface TokenEndpoint {
  /** Issues an access token. Rejects with an `OAuthError`. */
  issue: (parameters: Fields) => Promise<Issued>
  /**
   * Revokes the grant of a refresh or access token of this client and resolves to the grant. Resolves to
   * `undefined` for an unknown token, which is not an error (RFC 7009 §2.2).
   */
  revoke: (parameters: Fields) => Promise<GrantNews | undefined>
}

/** A client that proved its identity, if its metadata requires that. */
interface Authenticated {
  readonly client: Client
  /** Marks its assertion as used. Rejects with `invalid_client` if it was used before. */
  readonly useAssertion: () => Promise<void>
}

export function createTokenEndpoint (options: TokenEndpointOptions): TokenEndpoint {
  const { clients, assertions, codes, grants, accessTokens, resource, accessTtlSeconds, verifyIdJag, onReuse } = options

  async function authenticate (parameters: Fields): Promise<Authenticated> {
    const assertion = optionalParameter(parameters, 'client_assertion')
    if (assertion === undefined && parameters.client_secret !== undefined) {
      throw new OAuthError('invalid_client', 'Client secrets are not supported')
    }
    const id = required(parameters, 'client_id')
    const client = await clients.find(id)
    if (client === undefined && clients.isAway(id)) {
      // Not `invalid_client`: the client would forget its tokens.
      throw new OAuthError('temporarily_unavailable', 'The document of the client cannot be fetched', {
        retryAfterSeconds: 60
      })
    }
    if (client === undefined) {
      throw new OAuthError('invalid_client', 'The client is unknown', { reason: 'the client is unknown' })
    }
    if (assertion === undefined) {
      if (!client.authMethods.includes('none')) {
        throw new OAuthError('invalid_client', 'The client must authenticate with private_key_jwt')
      }
      return { client, useAssertion: async () => {} }
    }
    if (
      parameters.client_assertion_type !== assertionType ||
      !client.authMethods.includes('private_key_jwt')
    ) {
      throw new OAuthError('invalid_client', 'The client cannot authenticate with this method')
    }
    return { client, useAssertion: await assertions.verify(client, assertion) }
  }

  async function byCode (parameters: Fields, { client, useAssertion }: Authenticated): Promise<Issued> {
    const code = required(parameters, 'code')
    const contents = await codes.peek(code)
    const isBound =
      contents !== undefined &&
      contents.grant.client.id === client.id &&
      contents.grant.resource === resource &&
      (parameters.redirect_uri === undefined
        ? !contents.namesRedirect
        : parameters.redirect_uri === contents.redirectUri) &&
      provesChallenge(parameters.code_verifier, contents.challenge)
    if (!isBound) throw invalid('the code is unknown, or belongs to another client, redirect, challenge or resource')
    await useAssertion()
    const redeemed = await codes.redeem(code)
    if (redeemed.kind === 'again') {
      // The code leaked: the tokens that it was exchanged for cannot be trusted (RFC 6749 §4.1.2).
      onReuse({ ...contents.grant, id: redeemed.grantId }, 'code used again')
      await grants.revoke(redeemed.grantId, { principal: contents.grant.subject })
      throw invalid('the code was used before: its grant is revoked')
    }
    if (redeemed.kind === 'none') throw invalid('the code has expired')
    await requireLiving(accessTokens, { ...contents.grant, createdAt: Date.now() })
    const { grant, refreshToken } = await grants.create(contents.grant)
    // A second use at the same time may have come too early to find the grant.
    if (await codes.isReused(code)) await grants.revoke(grant.id, { principal: grant.subject })
    await clients.dynamic?.used(client.id)
    return await answer(grant, refreshToken, grant.scopes, contents.wantsOffline, 'authorization_code')
  }

  async function byRefreshToken (parameters: Fields, { client, useAssertion }: Authenticated): Promise<Issued> {
    const token = required(parameters, 'refresh_token')
    const found = await grants.find(token, client.id)
    if (found === undefined) throw invalid('the refresh token is unknown')
    const scopes = narrowed(parameters.scope, found)
    await requireLiving(accessTokens, found)
    await useAssertion()
    // Clients that authenticate need no rotation (OAuth 2.1 §4.3.1).
    const { grant, refreshToken } = await grants.refresh(token, client.id, client.authMethods.includes('none'))
    await clients.dynamic?.used(client.id)
    return await answer(grant, refreshToken, scopes, false, 'refresh_token')
  }

  async function byAssertion (parameters: Fields, { client, useAssertion }: Authenticated): Promise<Issued> {
    if (verifyIdJag === undefined) throw new OAuthError('unsupported_grant_type', 'The grant type is not supported')
    const assertion = required(parameters, 'assertion')
    const { subject, role, scopes: asserted } = await verifyIdJag(assertion, client.id)
    await useAssertion()
    const requested = scopesIn(parameters.scope)
    const scopes = requested.length === 0 ? asserted : requested.filter(scope => holdsScope(asserted, scope))
    const grantId = randomBytes(12).toString('hex')
    const token = await accessTokens.sign({ subject, grantId, client, role, scopes, signedInAt: Date.now() })
    return {
      answer: { access_token: token, token_type: 'Bearer', expires_in: accessTtlSeconds, scope: scopes.join(' ') },
      grant: { id: grantId, clientId: client.id, subject },
      by: 'id-jag'
    }
  }

  async function answer (
    grant: Grant,
    refreshToken: string,
    scopes: readonly string[],
    saysOffline: boolean,
    by: string
  ): Promise<Issued> {
    const token = await accessTokens.sign({ ...claimsOfGrant(grant), scopes })
    return {
      answer: {
        access_token: token,
        token_type: 'Bearer',
        expires_in: accessTtlSeconds,
        refresh_token: refreshToken,
        scope: [...scopes, ...(saysOffline ? ['offline_access'] : [])].join(' ')
      },
      grant: newsOf(grant),
      by
    }
  }

  return {
    async issue (parameters) {
      const grantType = required(parameters, 'grant_type')
      if (!['authorization_code', 'refresh_token', idJagGrant].includes(grantType)) {
        throw new OAuthError('unsupported_grant_type', 'The grant type is not supported')
      }
      const by = await authenticate(parameters)
      if (!namesResource(parameters.resource, resource)) {
        throw new OAuthError('invalid_target', 'The resource must be the endpoint of this server')
      }
      if (grantType === 'authorization_code') return await byCode(parameters, by)
      return grantType === 'refresh_token'
        ? await byRefreshToken(parameters, by)
        : await byAssertion(parameters, by)
    },

    async revoke (parameters) {
      const token = required(parameters, 'token')
      const { client, useAssertion } = await authenticate(parameters)
      const byRefresh = await grants.find(token, client.id)
      const ended = byRefresh === undefined
        ? await grantOfAccessToken(accessTokens, token, client.id)
        : newsOf(byRefresh)
      if (ended === undefined) return undefined
      await useAssertion()
      await grants.revoke(ended.id, { principal: ended.subject ?? client.id })
      return ended
    }
  }
}

async function grantOfAccessToken (
  accessTokens: AccessTokens,
  token: string,
  clientId: string
): Promise<GrantNews | undefined> {
  const verdict = accessTokens.isOurs(token) ? await accessTokens.verify(token) : undefined
  if (verdict === undefined || !isVerified(verdict)) return undefined
  const { id: subject, tokenId, keyId, client } = verdict.principal
  return tokenId === undefined || client?.id !== clientId ? undefined : { id: tokenId, clientId, subject, keyId }
}

function newsOf ({ id, client, subject, key }: ReusedGrant): GrantNews {
  return { id, clientId: client.id, subject, keyId: key.keyId }
}

/** Throws an `invalid_grant` if the key of the grant is no longer valid. */
async function requireLiving (accessTokens: AccessTokens, grant: Parameters<typeof claimsOfGrant>[0]): Promise<void> {
  const verdict = await accessTokens.rightsNow(claimsOfGrant(grant))
  if (!isVerified(verdict)) throw invalid(verdict.reason)
}

/** A client may request fewer scopes than it was granted, for a single token (RFC 6749 §6). */
function narrowed (scope: string | undefined, { scopes }: Grant): readonly string[] {
  const requested = scopesIn(scope)
  if (requested.length === 0) return scopes
  if (!requested.every(name => holdsScope(scopes, name))) {
    throw new OAuthError('invalid_scope', 'The scope exceeds the granted scope')
  }
  return requested
}

function scopesIn (scope = ''): string[] {
  return [...new Set(scope.split(' ').filter(name => name !== '' && name !== 'offline_access'))]
}

function invalid (reason: string): OAuthError {
  return new OAuthError(
    'invalid_grant',
    'The code or token is not valid: it may have expired, been used or been revoked',
    { reason }
  )
}
