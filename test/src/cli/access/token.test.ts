/** The output and the errors of `token`. */
import { createHmac } from 'node:crypto'
import t from 'tap'
import { say } from '../../../support/terminal.js'

const secret = 'a secret of thirty-two bytes or more'

function claimsOf (token: string): Record<string, unknown> {
  const [head, body, signature] = token.split('.')
  if (createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url') !== signature) {
    throw new Error('wrong signature')
  }
  return JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as Record<string, unknown>
}

t.test('token prints only the token, signed with JWT_SECRET of .env', async t => {
  const { code, stdout, stderr } = await say(
    ['token', '--user', 'ada'],
    t.testdir({ '.env': `JWT_SECRET=${secret}\n` })
  )
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  const { sub, role, exp, iat } = claimsOf(stdout)
  t.same({ sub, role, life: Number(exp) - Number(iat) }, { sub: 'ada', role: 'user', life: 86_400 })
})

t.test('token uses the given role and lifetime', async t => {
  const { stdout } = await say(
    ['token', '--user', 'ada', '--role', 'admin', '--expires', '1h'],
    t.testdir({}),
    { JWT_SECRET: secret }
  )
  const { role, exp, iat } = claimsOf(stdout)
  t.same({ role, life: Number(exp) - Number(iat) }, { role: 'admin', life: 3600 })
})

t.test('token warns of a weak secret on stderr', async t => {
  const { code, stdout, stderr } = await say(['token', '--user', 'ada'], t.testdir({}), { JWT_SECRET: 'short' })
  t.equal(code, 0)
  t.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  t.match(stderr, /^Warning: JWT_SECRET/)
})

const refused: Array<[string, string[], Record<string, string>, RegExp]> = [
  ['no secret', ['--user', 'ada'], { API_KEYS: 'a-key-of-sixteen-or-more' }, /^JWT_SECRET is not set/],
  [
    'a placeholder for a secret',
    ['--user', 'ada'],
    { JWT_SECRET: 'change-me' },
    /^JWT_SECRET is a well-known placeholder/
  ],
  ['an empty user', ['--user', ' '], { JWT_SECRET: secret }, /user id/],
  ['a control character in the user', ['--user', 'ada\u0000'], { JWT_SECRET: secret }, /user id/],
  ['empty scopes', ['--user', 'ada', '--scopes', ''], { JWT_SECRET: secret }, /It is empty/],
  ['an invalid lifetime', ['--user', 'ada', '--expires', 'soon'], { JWT_SECRET: secret }, /^--expires: /],
  ['no lifetime', ['--user', 'ada', '--expires', '0'], { JWT_SECRET: secret }, /^--expires: /],
  [
    'a lifetime above the cap',
    ['--user', 'ada', '--expires', '31d'],
    { JWT_SECRET: secret },
    /TOKEN_MAX_TTL/
  ],
  [
    'the default lifetime above a low cap',
    ['--user', 'ada'],
    { JWT_SECRET: secret, TOKEN_MAX_TTL: '1h' },
    /TOKEN_MAX_TTL/
  ]
]
for (const [what, args, env, message] of refused) {
  t.test(`${what} is one sentence on stderr, exit code 1 and no token`, async t => {
    const { code, stdout, stderr } = await say(['token', ...args], t.testdir({}), env)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, message)
    t.notMatch(stderr, /\n/)
  })
}

t.test('token accepts a lifetime equal to the cap', async t => {
  const { code } = await say(['token', '--user', 'ada', '--expires', '60m'], t.testdir({}), {
    JWT_SECRET: secret,
    TOKEN_MAX_TTL: '1h'
  })
  t.equal(code, 0)
})

t.test('token --help shows the defaults', async t => {
  const { code, stdout } = await say(['token', '--help'], t.testdir({}))
  t.equal(code, 0)
  t.match(stdout, '(default: "24h")')
  t.notMatch(stdout, '[]')
})
