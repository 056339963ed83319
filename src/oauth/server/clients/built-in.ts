/** Copies of the client documents of well-known hosts, used if the original cannot be fetched. */
import type { ClientMetadata } from './client.js'

const publicClient = { authMethods: ['none'] } as const

const codexRedirects = [
  'http://localhost/callback',
  'http://127.0.0.1/callback',
  'http://localhost/auth/callback',
  'http://127.0.0.1/auth/callback'
]

export const builtInDocuments: ReadonlyMap<string, ClientMetadata> = new Map<string, ClientMetadata>([
  [
    'https://claude.ai/oauth/mcp-oauth-client-metadata',
    {
      ...publicClient,
      name: 'Claude',
      redirectUris: ['https://claude.ai/api/mcp/auth_callback', 'https://claude.com/api/mcp/auth_callback']
    }
  ],
  [
    'https://claude.ai/oauth/claude-code-client-metadata',
    {
      ...publicClient,
      name: 'Claude Code',
      redirectUris: ['http://localhost/callback', 'http://127.0.0.1/callback']
    }
  ],
  [
    'https://chatgpt.com/oauth/client.json',
    {
      name: 'ChatGPT',
      redirectUris: ['https://chatgpt.com/connector_platform_oauth_redirect'],
      // Its document names both. `none` also works if its keys cannot be fetched.
      authMethods: ['none', 'private_key_jwt'],
      jwksUri: 'https://chatgpt.com/oauth/jwks.json'
    }
  ],
  [
    'https://chatgpt.com/oauth/codex/client.json',
    { ...publicClient, name: 'Codex', redirectUris: codexRedirects }
  ],
  [
    'https://opencode.ai/oauth/opencode/client.json',
    {
      ...publicClient,
      name: 'opencode',
      redirectUris: ['http://127.0.0.1/mcp/oauth/callback', 'http://localhost/mcp/oauth/callback']
    }
  ]
])
