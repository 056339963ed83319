/** Rules for the tokens of an identity provider. */
import { isLoopback } from '../net/loopback.js'
import type { Rule } from './rule.js'

/** A key set alone does not identify the issuer, because providers share keys among their customers. */
export const withoutIssuer: Rule = config => {
  if (config.JWT_ISSUER !== undefined) return {}
  const names = ['JWT_JWKS_URL', 'JWT_ROLES_CLAIM', 'JWT_SCOPES_CLAIM'] as const
  const set: string[] = names.filter(name => config[name] !== undefined)
  if (config.JWT_REQUIRE_AT === 'on') set.push('JWT_REQUIRE_AT')
  if (config.JWT_AUDIENCE_CLAIM !== 'aud') set.push('JWT_AUDIENCE_CLAIM')
  return {
    problems: set.map(variable => ({
      variable,
      wrong: 'is set without JWT_ISSUER',
      right: 'set JWT_ISSUER to the `iss` of its tokens, or remove it'
    }))
  }
}

export const withoutAudience: Rule = ({ JWT_ISSUER, PUBLIC_URL, JWT_AUDIENCE, HOST, PORT }) => {
  if (JWT_ISSUER === undefined || PUBLIC_URL !== undefined || JWT_AUDIENCE.length > 0) return {}
  const wrong = 'is set, but neither PUBLIC_URL nor JWT_AUDIENCE names this server in the `aud` of its tokens'
  // With port 0 the URL is known only after the server listens, so no token could name it.
  if (isLoopback(HOST) && PORT !== 0) {
    return { warnings: [`JWT_ISSUER ${wrong}: only tokens for the endpoint on this machine are accepted`] }
  }
  return { problems: [{ variable: 'JWT_ISSUER', wrong, right: 'set PUBLIC_URL to the URL that callers use' }] }
}

/** ID tokens have the client's id in `aud`, and not every provider marks them as ID tokens. */
export const clientIdAsAudience: Rule = ({ JWT_ISSUER, JWT_AUDIENCE, JWT_AUDIENCE_CLAIM, JWT_REQUIRE_AT }) => {
  if (JWT_ISSUER === undefined || JWT_REQUIRE_AT === 'on' || JWT_AUDIENCE_CLAIM !== 'aud') return {}
  if (JWT_AUDIENCE.every(name => /^[a-z][\w+.-]*:/i.test(name))) return {}
  return {
    warnings: [
      'JWT_AUDIENCE contains a name that is not a URI. If it is a client id, ID tokens of that ' +
        'client would be accepted too: set JWT_REQUIRE_AT=on if access tokens have the type at+jwt, or ' +
          'name this server by its own URI'
    ]
  }
}
