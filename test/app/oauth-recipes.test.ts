/** The settings that docs/oauth.md recommends for each provider, with tokens in the provider's format. */
import t from 'tap'
import { claimsOf, fakeIssuer, json, sign, signingKey } from '../support/issuer.js'
import { bearer, resource, resourceServer } from '../support/resource-server.js'
import { callOf, post } from '../support/service.js'

const es384 = await signingKey('ES384', 'of-the-provider')
const rs256 = await signingKey('RS256', 'of-the-provider')
const clientId = '6a1f0c0e-0000-4000-8000-000000000001'

type Claims = Record<string, unknown>

interface Recipe {
  readonly provider: string
  /** The path of the issuer's URL. */
  readonly path?: string
  readonly key?: typeof es384
  readonly env: Record<string, string>
  readonly typ?: string
  readonly good: Claims
  readonly proves: { readonly role?: string, readonly scopes?: readonly string[] }
  /** Claims of other tokens of this provider, which are refused. `undefined` removes a claim. */
  readonly refused: Readonly<Record<string, Claims>>
  /** The path of the key set, if the recipe sets it. */
  readonly keysAt?: string
}

const recipes: readonly Recipe[] = [
  {
    provider: 'Keycloak',
    path: '/realms/team',
    env: { JWT_ROLES_CLAIM: 'realm_access.roles', JWT_ADMIN_ROLE: 'ops' },
    typ: 'JWT',
    good: {
      aud: [resource, 'account'],
      typ: 'Bearer',
      scope: 'openid notes:read',
      realm_access: { roles: ['offline_access', 'ops'] }
    },
    proves: { role: 'admin', scopes: ['openid', 'notes:read'] },
    refused: {
      'without the audience mapper': { aud: 'account' },
      'without the scope basic': { sub: undefined },
      'with an internal host name': { iss: 'http://keycloak:8080/realms/team' }
    }
  },
  {
    provider: 'Auth0',
    path: '/',
    env: { JWT_SCOPES_CLAIM: 'permissions', JWT_ROLES_CLAIM: 'https://example.com/roles', JWT_REQUIRE_AT: 'on' },
    typ: 'at+jwt',
    good: {
      aud: [resource, 'https://tenant.auth0.com/userinfo'],
      sub: 'auth0|42',
      scope: 'openid profile',
      permissions: ['notes:read'],
      'https://example.com/roles': ['editor']
    },
    proves: { role: 'editor', scopes: ['notes:read'] },
    refused: { 'for userinfo only': { aud: 'https://tenant.auth0.com/userinfo' }, 'without a slash in iss': { iss: '' } }
  },
  {
    provider: 'Entra ID v2',
    path: '/tenant/v2.0',
    key: rs256,
    env: { JWT_AUDIENCE: clientId, JWT_ROLES_CLAIM: 'roles' },
    typ: 'JWT',
    good: { aud: clientId, scp: 'access', roles: ['Notes.Admin'], ver: '2.0', oid: 'o', tid: 'tenant' },
    proves: { role: 'Notes.Admin', scopes: ['access'] },
    refused: {
      'for Microsoft Graph': { aud: '00000003-0000-0000-c000-000000000000' },
      'of another tenant': { iss: 'https://login.microsoftonline.com/other/v2.0' },
      'with a nonce, as ID tokens have': { nonce: 'n', at_hash: 'h' }
    }
  },
  {
    provider: 'Entra ID v1',
    path: '/tenant/',
    key: rs256,
    keysAt: '/tenant/discovery/keys',
    env: { JWT_AUDIENCE: `api://${clientId}`, JWT_ROLES_CLAIM: 'roles' },
    typ: 'JWT',
    good: { aud: `api://${clientId}`, scp: 'access', ver: '1.0' },
    proves: { scopes: ['access'] },
    refused: { 'of version 2': { aud: clientId } }
  },
  {
    provider: 'Okta',
    path: '/oauth2/default',
    key: rs256,
    env: { JWT_ROLES_CLAIM: 'groups' },
    typ: 'JWT',
    good: {
      sub: 'ada@example.com',
      cid: 'c',
      uid: 'u',
      ver: 1,
      scp: ['notes:read', 'notes:write'],
      groups: ['Everyone']
    },
    proves: { role: 'Everyone', scopes: ['notes:read', 'notes:write'] },
    refused: { 'for another service': { aud: 'api://default' } }
  },
  {
    provider: 'Cognito',
    path: '/pool',
    key: rs256,
    env: { JWT_AUDIENCE_CLAIM: 'client_id', JWT_AUDIENCE: 'app,another', JWT_ROLES_CLAIM: 'cognito:groups' },
    typ: 'JWT',
    good: { aud: undefined, client_id: 'app', token_use: 'access', scope: 'notes/read', 'cognito:groups': ['staff'] },
    proves: { role: 'staff', scopes: ['notes/read'] },
    refused: {
      'of another app client': { client_id: 'foreign' },
      'that are ID tokens': { aud: 'app', token_use: 'id', client_id: undefined },
      'that are ID tokens with a client_id': { aud: 'app', token_use: 'id' },
      'without either claim': { client_id: undefined }
    }
  },
  {
    provider: 'Google',
    key: rs256,
    env: {},
    typ: 'JWT',
    good: { azp: '1', sub: '1', email: 'job@p.iam.gserviceaccount.com', email_verified: true },
    proves: { role: 'user', scopes: [] },
    refused: { 'of a sign-in client': { aud: '1.apps.googleusercontent.com' } }
  },
  {
    provider: 'Logto',
    path: '/oidc',
    env: { JWT_REQUIRE_AT: 'on' },
    typ: 'at+jwt',
    good: { client_id: 'c', jti: 'j', scope: 'notes:read' },
    proves: { scopes: ['notes:read'] },
    refused: { 'for another resource': { aud: 'https://other.example.com' } }
  }
]

for (const { provider, path = '', key = es384, keysAt, env, typ, good, proves, refused } of recipes) {
  t.test(`the recipe accepts only access tokens of ${provider}`, async t => {
    const fake = await fakeIssuer(t, key)
    const issuer = fake.issuer + path
    if (keysAt === undefined) {
      const at = `${path.replace(/\/$/, '')}/.well-known/openid-configuration`
      fake.answer(at, json({ issuer, jwks_uri: fake.jwksUrl }))
    } else {
      fake.answer(keysAt, json({ keys: [key.jwk] }))
    }
    const more = keysAt === undefined ? {} : { JWT_JWKS_URL: fake.issuer + keysAt }
    const app = await resourceServer(t, issuer, { env: { ...env, ...more } })
    const ask = async (claims: Claims) =>
      await post(app, callOf('whoami'), bearer(await sign(key, claimsOf(issuer, claims), { typ })))
    const answer = await ask(good)
    t.match(answer.body.result?.structuredContent, proves, JSON.stringify(answer.body))
    for (const [what, claims] of Object.entries(refused)) {
      const wrong = 'iss' in claims && claims.iss === '' ? { iss: issuer.replace(/\/$/, '') } : claims
      t.equal((await ask({ ...good, ...wrong })).status, 401, what)
    }
  })
}
