/** Checks the settings of a server before it is submitted to a directory. */
import type { Config } from '../config/load.js'
import type { Directory, LintFinding } from './lint.js'

/** Both directories require OAuth. ChatGPT's directory also verifies the domain. */
export function lintSettings (config: Config, directory: Directory): LintFinding[] {
  const { PUBLIC_URL, OAUTH_SERVER, JWT_ISSUER, JWT_ISSUERS_FILE, OPENAI_APPS_CHALLENGE } = config
  const hasOAuth = OAUTH_SERVER === 'on' || JWT_ISSUER !== undefined || JWT_ISSUERS_FILE !== undefined
  return [
    ...(PUBLIC_URL?.startsWith('https:') === true
      ? []
      : [of('public-url', 'The server has no public https address', 'set PUBLIC_URL')]),
    ...(hasOAuth
      ? []
      : [of('oauth', 'People cannot sign in by OAuth', 'set OAUTH_SERVER=on, or JWT_ISSUER')]),
    ...(directory === 'claude' || OPENAI_APPS_CHALLENGE !== undefined
      ? []
      : [of('challenge', 'The domain cannot be checked', 'set OPENAI_APPS_CHALLENGE to the token of the form')])
  ]
}

function of (id: string, what: string, fix: string): LintFinding {
  return { id, tool: undefined, what, fix }
}
