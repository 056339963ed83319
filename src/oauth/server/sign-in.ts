/**
 * The two steps of a sign-in: a key is given, then the person approves or denies. Between them all is
 * carried in sealed form.
 */
import { randomBytes } from 'node:crypto'
import { sha256 } from '../../lib/sha256.js'
import { isOfApp } from '../../app-keys/app-keys.js'
import { holdsScope } from '../../principal/access.js'
import { isVerified, maxCredentialLength } from '../../principal/presented.js'
import { freezePrincipal, type Principal, type Role } from '../../principal/principal.js'
import type { AuthorizationRequest } from './authorization-request.js'
import type { Client } from './clients/client.js'
import type { Codes } from './codes.js'
import { type Documents, useOnce } from './documents/documents.js'
import { type AppKeyPort, type GrantKey, grantKeyOf, type GrantKeys } from './grant-keys.js'
import type { Grants } from './grants.js'
import { AuthorizationPageError } from './protocol/oauth-error.js'
import { matchesRedirect, withAnswer } from './protocol/redirects.js'
import type { ServerSecrets } from './secrets.js'

/** Judges a key as a request with it would be judged. */
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

/** A page of the sign-in that is open in somebody's browser. */
export interface Step {
  readonly client: Client
  readonly request: AuthorizationRequest
  /** Goes into the form. */
  readonly handle: string
}

/** After the key: whose it is, and what the client would be able to do with it. */
export interface ConsentStep extends Step {
  readonly principal: Principal
  readonly keyName: string | undefined
  /** What the client would have. */
  readonly scopes: readonly string[]
  /** What it asked for and the key does not have. */
  readonly missing: readonly string[]
}

export type KeyOutcome =
  | { readonly kind: 'consent', readonly step: ConsentStep }
  /** One answer for every key that is not good. */
  | { readonly kind: 'wrong', readonly step: Step, readonly reason: string }
  /** A good key that no client may be signed in with. */
  | { readonly kind: 'not-allowed', readonly step: Step, readonly reason: string }

export interface SignIn {
  begin: (client: Client, request: AuthorizationRequest, cookie: string) => Step
  /** Judges the key. Throws an `AuthorizationPageError` where the page is not (or no longer) one of this browser. */
  giveKey: (
    handle: string,
    cookie: string | undefined,
    key: string,
    from: { readonly address: string; readonly requestId: string }
  ) => Promise<KeyOutcome>
  /** Where to send the browser. Throws an `AuthorizationPageError`. */
  deny: (handle: string, cookie: string | undefined) => Promise<string>
  approve: (handle: string, cookie: string | undefined) => Promise<Approved>
}

export interface Approved {
  /** Where the browser goes, with the code. */
  readonly location: string
  readonly client: Client
  readonly principal: Principal
  readonly grantId: string
}

interface Sealed {
  readonly id: string
  readonly request: AuthorizationRequest
  /** The digest of the cookie of the browser that the page was sent to. */
  readonly browser: string
  readonly endsAt: number
  /** From the second step on: what the person was shown, and approves. */
  readonly shown?: Shown
}

interface Shown {
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

  function seal (sealed: Sealed): string {
    return secrets.seal(purpose, sealed)
  }

  async function open (
    handle: string,
    cookie: string | undefined
  ): Promise<{ readonly sealed: Sealed; readonly client: Client }> {
    const sealed = secrets.open(purpose, handle) as Sealed | undefined
    if (sealed === undefined) throw over('the handle is not from this server')
    if (sealed.endsAt <= Date.now()) throw over('the handle has expired')
    // Cross-site request forgery: another page can send the form, but not the cookie that goes with it.
    if (cookie === undefined || sha256(cookie) !== sealed.browser) {
      throw over('the handle was given to another browser')
    }
    if ((await documents.get('once', sealed.id)) !== undefined) throw over('the handle was used before')
    const client = await find(sealed.request.clientId)
    if (client === undefined || !matchesRedirect(client.redirectUris, sealed.request.redirectUri)) {
      throw over('the client is no longer known')
    }
    return { sealed, client }
  }

  /** Of a double click the second is told that it is over. */
  async function finish ({ id, endsAt }: Sealed): Promise<void> {
    if (!await useOnce(documents, id, endsAt)) throw over('the handle was used before')
  }

  function consentOf (
    client: Client,
    sealed: Sealed,
    key: GrantKey,
    principal: Principal,
    keyName: string | undefined
  ): ConsentStep {
    const asked = sealed.request.scopes
    const scopes =
      asked.length === 0 ? principal.scopes : asked.filter(scope => holdsScope(principal.scopes, scope))
    const shown: Shown = { key, subject: principal.id, role: principal.role, scopes }
    return {
      client,
      request: sealed.request,
      handle: seal({ ...sealed, shown }),
      principal,
      keyName,
      scopes,
      missing: asked.filter(scope => !scopes.includes(scope))
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
      // People copy a line break or a space with it.
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
      await finish(sealed)
      const { redirectUri, state } = sealed.request
      return withAnswer(redirectUri, {
        error: 'access_denied',
        error_description: 'The person denied access',
        state,
        iss: issuer
      })
    },

    async approve (handle, cookie) {
      const { sealed, client } = await open(handle, cookie)
      const { shown, request } = sealed
      if (shown === undefined) throw over('the handle belongs to the first step')
      const { key, subject, role } = shown
      // The key may have ended while the page was open, or be somebody else's.
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

/** Whom a bad key is asked for: a revoked one must not be told by the time of one more question. */
const nobody: Principal = freezePrincipal({ id: 'apikey:', role: 'user', scopes: [], method: 'api-key', keyId: '' })
