/** The two steps of a sign-in: the user enters a key, then approves or denies. */
import { randomBytes } from 'node:crypto'
import { sha256 } from '../../lib/sha256.js'
import { isOfApp } from '../../app-keys/app-keys.js'
import { holdsScope } from '../../principal/access.js'
import { isVerified, maxCredentialLength } from '../../principal/presented.js'
import { freezePrincipal, type Principal, type Role } from '../../principal/principal.js'
import type { AuthorizationRequest } from './authorization-request.js'
import type { Client } from './clients/client.js'
import type { Codes } from './codes.js'
import { type Documents, DocumentsFullError, useOnce } from './documents/documents.js'
import { type AppKeyPort, type GrantKey, grantKeyOf, type GrantKeys } from './grant-keys.js'
import type { Grants } from './grants.js'
import { AuthorizationPageError } from './protocol/oauth-error.js'
import { matchesRedirect, withAnswer } from './protocol/redirects.js'
import type { ServerSecrets } from './secrets.js'

/** Verifies a key by the rules for requests. */
export type KeyVerifier = AppKeyPort['verify']

export interface SignInOptions {
  readonly secrets: ServerSecrets
  readonly documents: Documents
  readonly codes: Codes
  readonly grants: Grants
  readonly issuer: string
  readonly resource: string
  readonly find: (clientId: string) => Promise<Client | undefined>
  readonly verifyKey: KeyVerifier
  readonly keys: GrantKeys
  readonly isRevoked: (principal: Principal) => boolean
}

/** A page of the sign-in. */
export interface Step {
  readonly client: Client
  readonly request: AuthorizationRequest
  /** The encrypted state, for a hidden field of the form. */
  readonly handle: string
}

/** The second page: the owner of the key, and the rights that the client would get. */
export interface ConsentStep extends Step {
  readonly principal: Principal
  readonly keyName: string | undefined
  /** The scopes that the client would get. */
  readonly scopes: readonly string[]
  /** The requested scopes that the key does not have. */
  readonly missing: readonly string[]
}

export type KeyOutcome =
  | { readonly kind: 'consent', readonly step: ConsentStep }
  /** The key is not valid. The page does not say why; `reason` is for the log. */
  | { readonly kind: 'wrong', readonly step: Step, readonly reason: string }
  /** The key is valid, but cannot sign in clients. */
  | { readonly kind: 'not-allowed', readonly step: Step, readonly reason: string }

export interface SignIn {
  begin: (client: Client, request: AuthorizationRequest, cookie: string) => Step
  /**
   * Verifies the key. Rejects with an `AuthorizationPageError` if the page expired or belongs to another
   * browser.
   */
  giveKey: (
    handle: string,
    cookie: string | undefined,
    key: string,
    from: { readonly address: string; readonly requestId: string }
  ) => Promise<KeyOutcome>
  /** Resolves to the URL for the browser. Rejects with an `AuthorizationPageError`. */
  deny: (handle: string, cookie: string | undefined) => Promise<string>
  approve: (handle: string, cookie: string | undefined) => Promise<Approved>
}

export interface Approved {
  /** The URL for the browser, with the code. */
  readonly location: string
  readonly client: Client
  readonly principal: Principal
  readonly grantId: string
}

/** The state between the steps. It is encrypted and kept in the page, not on the server. */
interface SealedStep {
  readonly id: string
  readonly request: AuthorizationRequest
  /** The digest of the cookie of the browser that got the page. */
  readonly browser: string
  readonly endsAt: number
  /** Only in the second step: the rights that the page shows and the user approves. */
  readonly shown?: ShownRights
}

interface ShownRights {
  readonly key: GrantKey
  readonly subject: string
  readonly role: Role
  readonly scopes: readonly string[]
}

const purpose = 'sign-in'
const stepMs = 10 * 60_000

const over = (reason: string): AuthorizationPageError =>
  new AuthorizationPageError(
    'This sign-in is over',
    'It was already finished, took longer than ten minutes, or was started in another browser. Go back to the ' +
      'app and connect again.',
    { reason }
  )

export function createSignIn (options: SignInOptions): SignIn {
  const { secrets, documents, codes, grants, issuer, resource, find, verifyKey, keys, isRevoked } = options

  function seal (sealed: SealedStep): string {
    return secrets.seal(purpose, sealed)
  }

  async function open (
    handle: string,
    cookie: string | undefined
  ): Promise<{ readonly sealed: SealedStep; readonly client: Client }> {
    const sealed = secrets.open(purpose, handle) as SealedStep | undefined
    if (sealed === undefined) throw over('the handle is not from this server')
    if (sealed.endsAt <= Date.now()) throw over('the handle has expired')
    // Cross-site request forgery: another site can send the form, but not the cookie that belongs to it.
    if (cookie === undefined || sha256(cookie) !== sealed.browser) {
      throw over('the handle was given to another browser')
    }
    for (const kind of ['once', 'denied'] as const) {
      if ((await documents.get(kind, sealed.id)) !== undefined) throw over('the handle was used before')
    }
    const client = await find(sealed.request.clientId)
    if (client === undefined || !matchesRedirect(client.redirectUris, sealed.request.redirectUri)) {
      throw over('the client is no longer known')
    }
    return { sealed, client }
  }

  /** The handle works once: the second request of a double click is refused. */
  async function finish ({ id, endsAt }: SealedStep, kind: 'once' | 'denied' = 'once'): Promise<void> {
    if (!await useOnce(documents, id, endsAt, kind)) throw over('the handle was used before')
  }

  /** Like `finish`, but anyone can deny without a key: that must not fill the store for approvals. */
  async function finishDenied (sealed: SealedStep): Promise<void> {
    if (sealed.shown !== undefined) return await finish(sealed)
    try {
      await finish(sealed, 'denied')
    } catch (error) {
      // The page can then be used again, by the same browser and with a key.
      if (!(error instanceof DocumentsFullError)) throw error
    }
  }

  function consentOf (
    client: Client,
    sealed: SealedStep,
    key: GrantKey,
    principal: Principal,
    keyName: string | undefined
  ): ConsentStep {
    const requested = sealed.request.scopes
    const scopes =
      requested.length === 0
        ? principal.scopes
        : requested.filter(scope => holdsScope(principal.scopes, scope))
    const shown: ShownRights = { key, subject: principal.id, role: principal.role, scopes }
    return {
      client,
      request: sealed.request,
      handle: seal({ ...sealed, shown }),
      principal,
      keyName,
      scopes,
      missing: requested.filter(scope => !scopes.includes(scope))
    }
  }

  return {
    begin: (client, request, cookie) => ({
      client,
      request,
      handle: seal({
        id: randomBytes(16).toString('hex'),
        request,
        browser: sha256(cookie),
        endsAt: Date.now() + stepMs
      })
    }),

    async giveKey (handle, cookie, text, from) {
      const { sealed, client } = await open(handle, cookie)
      const step: Step = { client, request: sealed.request, handle }
      // Users often paste a key with a space or a line break.
      const key = text.trim()
      if (key === '' || key.length > maxCredentialLength) {
        return { kind: 'wrong', step, reason: 'the key is empty or too long' }
      }
      const verdict = await verifyKey({ key, digest: sha256(key), ...from })
      const isGone = isRevoked(isVerified(verdict) ? verdict.principal : nobody)
      if (!isVerified(verdict)) return { kind: 'wrong', step, reason: verdict.reason }
      if (isGone) return { kind: 'wrong', step, reason: 'the API key was revoked' }
      const { principal } = verdict
      const reference = grantKeyOf(verdict, isOfApp(principal))
      const referred = await keys.current(reference)
      if (!isVerified(referred.verdict) || !referred.maySignIn) {
        return { kind: 'not-allowed', step, reason: 'the API key cannot sign in clients' }
      }
      return { kind: 'consent', step: consentOf(client, sealed, reference, principal, referred.name) }
    },

    async deny (handle, cookie) {
      const { sealed } = await open(handle, cookie)
      await finishDenied(sealed)
      const { redirectUri, state } = sealed.request
      return withAnswer(redirectUri, {
        error: 'access_denied',
        error_description: 'The user denied access',
        state,
        iss: issuer
      })
    },

    async approve (handle, cookie) {
      const { sealed, client } = await open(handle, cookie)
      const { shown, request } = sealed
      if (shown === undefined) throw over('the handle belongs to the first step')
      const { key, subject, role } = shown
      // While the page was open, the key may have ended or got another owner.
      const { verdict, maySignIn } = await keys.current(key)
      if (!isVerified(verdict) || !maySignIn || isRevoked(verdict.principal)) {
        throw over('the API key is no longer valid')
      }
      const { principal } = verdict
      if (principal.id !== subject || principal.role !== role) {
        throw over('the API key has another owner or role now')
      }
      await finish(sealed)
      const grantId = grants.newId()
      const code = await codes.issue({
        redirectUri: request.redirectUri,
        namesRedirect: request.namesRedirect,
        challenge: request.challenge,
        wantsOffline: request.wantsOffline,
        grant: {
          id: grantId,
          client: { id: client.id, name: client.name, source: client.source },
          subject,
          key,
          role,
          scopes: shown.scopes,
          resource,
          keyEndsAt: principal.expiresAt ?? null
        }
      })
      return {
        location: withAnswer(request.redirectUri, { code, state: request.state, iss: issuer }),
        client,
        principal,
        grantId
      }
    }
  }
}

/**
 * Used to check revocations for an invalid key, too. Otherwise the response time would show whether a key is
 * unknown or revoked (timing attack).
 */
const nobody: Principal = freezePrincipal({ id: 'apikey:', role: 'user', scopes: [], method: 'api-key', keyId: '' })
