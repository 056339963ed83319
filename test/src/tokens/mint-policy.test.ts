/** Who may mint tokens for whom, and the `iss` and `aud` of minted tokens. */
import t from 'tap'
import { identityOf } from '../../../src/net/public-url.js'
import { excessOf, mayMint, type MintPolicy } from '../../../src/tokens/mint-policy.js'
import type { OwnRole, Principal, Role } from '../../../src/principal/principal.js'

function caller (role: Role, method: Principal['method'], ...scopes: string[]): Principal {
  return { id: 'user:ada', role, scopes, method, attributes: {} }
}

const minters: Array<[string, Principal, MintPolicy, boolean]> = [
  ['an admin with a token', caller('admin', 'jwt'), 'admin-tokens', true],
  ['an admin with a key', caller('admin', 'api-key'), 'admin-tokens', false],
  ['a user with a token', caller('user', 'jwt', '*'), 'admin-tokens', false],
  ['an admin with a token', caller('admin', 'jwt'), 'admins', true],
  ['an admin with a key', caller('admin', 'api-key'), 'admins', true],
  ['a user with a token', caller('user', 'jwt', '*'), 'admins', false],
  ['a user with a key', caller('user', 'api-key', '*'), 'admins', false],
  ['an admin with a token', caller('admin', 'jwt', '*'), 'off', false],
  ['an admin with a key', caller('admin', 'api-key', '*'), 'off', false]
]

for (const [who, principal, policy, may] of minters) {
  t.test(`under the policy ${policy} ${who} ${may ? 'can mint' : 'cannot mint'}`, async t => {
    t.equal(mayMint(principal, policy), may)
  })
}

const wishes: Array<[string, Principal, OwnRole, string[], 'role' | 'scopes' | undefined]> = [
  ['an admin gives the role admin', caller('admin', 'jwt'), 'admin', [], undefined],
  ['an admin gives the role user', caller('admin', 'jwt'), 'user', [], undefined],
  ['a user gives the role user', caller('user', 'jwt'), 'user', [], undefined],
  ['a user gives the role admin', caller('user', 'jwt', '*'), 'admin', [], 'role'],
  [
    'an admin gives a scope of their own',
    caller('admin', 'jwt', 'files:*'),
    'user',
    ['files:read'],
    undefined
  ],
  [
    'an admin gives a scope that they lack',
    caller('admin', 'jwt', 'files:read'),
    'user',
    ['files:write'],
    'scopes'
  ],
  ['an admin gives two scopes and lacks one', caller('admin', 'jwt', 'a'), 'user', ['a', 'b'], 'scopes'],
  [
    'an admin gives a wildcard above their own scope',
    caller('admin', 'jwt', 'files:read'),
    'user',
    ['files:*'],
    'scopes'
  ],
  ['an admin gives every scope', caller('admin', 'jwt', 'files:*'), 'user', ['*'], 'scopes']
]

for (const [what, minter, role, scopes, excess] of wishes) {
  t.test(`if ${what}, ${excess === undefined ? 'nothing' : `the ${excess}`} exceeds the rights`, async t => {
    t.equal(excessOf(minter, role, scopes), excess)
  })
}

const endpoint = 'https://mcp.example.com/mcp'
const identities: Array<[string, Parameters<typeof identityOf>, ReturnType<typeof identityOf>]> = [
  ['without a public address', [undefined], {}],
  ['without a public address, beside a provider', [undefined, 'https://idp.example.com'], {}],
  [
    'with a public address',
    ['https://mcp.example.com'],
    { issuer: 'https://mcp.example.com', audience: endpoint }
  ],
  [
    'with a slash behind the public address',
    ['https://mcp.example.com/'],
    { issuer: 'https://mcp.example.com', audience: endpoint }
  ],
  [
    'at another path',
    ['https://example.com/tools', undefined, '/rpc'],
    { issuer: 'https://example.com/tools', audience: 'https://example.com/tools/rpc' }
  ],
  [
    'beside a provider elsewhere',
    ['https://mcp.example.com', 'https://idp.example.com'],
    { issuer: 'https://mcp.example.com', audience: endpoint }
  ],
  [
    'beside a provider at the same address',
    ['https://mcp.example.com', 'https://mcp.example.com'],
    { audience: endpoint }
  ],
  [
    'beside a provider at the same address with a slash',
    ['https://mcp.example.com', 'https://mcp.example.com/'],
    { audience: endpoint }
  ],
  [
    'beside a provider below the same address',
    ['https://mcp.example.com', 'https://mcp.example.com/realms/a'],
    { issuer: 'https://mcp.example.com', audience: endpoint }
  ]
]

for (const [what, settings, identity] of identities) {
  t.test(
    `${what}, tokens have ${identity.issuer === undefined ? 'no iss' : `iss ${identity.issuer}`} and ${identity.audience === undefined ? 'no aud' : `aud ${identity.audience}`}`,
    async t => {
      t.strictSame(identityOf(...settings), identity)
    }
  )
}
