/** `judgeToken` explains tokens of this server. */
import t from 'tap'
import { judgeToken } from '../../../src/explain/token.js'
import { mintToken } from '../../../src/tokens/mint.js'
import { secret } from '../../support/tokens.js'

const other = 'another-secret-of-the-tests-with-32-bytes'
const { token } = mintToken('ada', 'admin', '1h', { secret, audience: 'https://mcp.example.com/mcp' })

t.test('a token of the current or a previous secret shows its subject', async t => {
  t.match(judgeToken(token, [secret], {}), { principal: { id: 'jwt:ada', role: 'admin' } })
  t.match(judgeToken(token, [other, secret], {}), { principal: { id: 'jwt:ada' } })
})

t.test('a foreign or altered token shows its reason', async t => {
  t.match(judgeToken(token, [other], {}), { reason: /FAST_JWT_INVALID_SIGNATURE/ })
  t.match(judgeToken(token, [secret], { audience: ['https://elsewhere.example/mcp'] }), { reason: /aud/ })
  const [header, payload, signature = ''] = token.split('.')
  const altered = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
  t.match(judgeToken([header, payload, altered].join('.'), [secret], {}), { reason: /FAST_JWT_INVALID_SIGNATURE/ })
  const claims = Buffer.from(JSON.stringify({ sub: 'root', exp: 2 ** 31, role: 'admin' })).toString('base64url')
  t.match(judgeToken([header, claims, signature].join('.'), [secret], {}), { reason: /FAST_JWT_INVALID_SIGNATURE/ })
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url')
  t.match(judgeToken([none, claims, signature].join('.'), [secret], {}), { reason: /FAST_JWT_INVALID_SIGNATURE/ })
  t.match(judgeToken('no token', [secret], {}), { reason: /./ })
})
