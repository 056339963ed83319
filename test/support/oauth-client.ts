/** What an MCP client keeps about itself while it gets a token: the SDK asks for it. */
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import type {
  OAuthClientInformationMixed,
  OAuthClientMetadata,
  OAuthTokens
} from '@modelcontextprotocol/sdk/shared/auth.js'

/** Nobody listens there: the tests read the code off the address. */
export const redirectUrl = 'http://127.0.0.1:9/callback'

export class OAuthMemory implements OAuthClientProvider {
  readonly redirectUrl = redirectUrl
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'tests',
    redirect_uris: [redirectUrl],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code']
  }

  /** Where the SDK sends the person, each time. */
  readonly redirects: URL[] = []
  #client: OAuthClientInformationMixed | undefined
  #tokens: OAuthTokens | undefined
  #verifier = ''

  /** With what the provider knows of it already; without, the SDK registers it. */
  constructor (client?: OAuthClientInformationMixed) {
    this.#client = client
  }

  clientInformation (): OAuthClientInformationMixed | undefined { return this.#client }
  saveClientInformation (client: OAuthClientInformationMixed): void { this.#client = client }
  tokens (): OAuthTokens | undefined { return this.#tokens }
  saveTokens (tokens: OAuthTokens): void { this.#tokens = tokens }
  redirectToAuthorization (url: URL): void { this.redirects.push(url) }
  saveCodeVerifier (verifier: string): void { this.#verifier = verifier }
  codeVerifier (): string { return this.#verifier }
}
