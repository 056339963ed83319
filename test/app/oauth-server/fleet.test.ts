/** Two instances with one Redis: each accepts what the other issued, and one-time values work once. */
import t from 'tap'
import { redisServer, withoutRedis } from '../../support/redis.js'
import { until } from '../../support/until.js'
import {
  adaKey,
  approve,
  authorizeUrl,
  credentials,
  isRefreshRefused,
  open,
  pkce,
  press,
  register,
  signInService,
  token
} from '../../support/sign-in.js'
import { callOf, post } from '../../support/service.js'
import { directory } from '../../support/keys.js'
import { say } from '../../support/terminal.js'

t.test('two instances with one Redis', { skip: withoutRedis }, async t => {
  const { url } = await redisServer(t)
  // Longer than a busy machine needs.
  const env = { REDIS_URL: url, REDIS_TIMEOUT_MS: '60000', PREAUTH_RATE_LIMIT_MAX: '100000', RATE_LIMIT_MAX: '100000' }
  const [a, b] = [await signInService(t, { env }), await signInService(t, { env })]

  t.test('pages, codes and tokens of one instance work on the other', async t => {
    const clientId = await register(a)
    const { verifier, challenge } = pkce()
    const second = await press(b, await open(a, authorizeUrl(clientId, challenge)), 'continue', { key: adaKey })
    const done = await press(a, second, 'approve')
    const code = done.location?.searchParams.get('code') ?? ''
    const { status, body } = await token(b, {
      grant_type: 'authorization_code',
      client_id: clientId,
      code,
      redirect_uri: 'https://app.example.com/callback',
      code_verifier: verifier
    })
    t.equal(status, 200)
    t.equal((await post(a, callOf('whoami'), { authorization: `Bearer ${body.access_token}` })).status, 200)
    const burst = await Promise.all(
      [a, b, a, b].map(
        async app =>
          await token(app, {
            grant_type: 'refresh_token',
            client_id: clientId,
            refresh_token: body.refresh_token
          })
      )
    )
    t.equal(new Set(burst.map(({ body }) => body.refresh_token)).size, 1)
  })

  t.test('a code redeemed on both instances at once works once', async t => {
    const { redeem } = await approve(a)
    const all = await Promise.all([a, b, a, b].map(async app => await token(app, redeem)))
    t.equal(all.filter(({ status }) => status === 200).length, 1)
  })

  t.test('a page approved on both instances at once gives one code', async t => {
    const second = await press(
      b,
      await open(a, authorizeUrl(await register(a), pkce().challenge)),
      'continue',
      { key: adaKey }
    )
    const both = await Promise.all([press(a, second, 'approve'), press(b, second, 'approve')])
    t.same(both.map(({ status }) => status).sort(), [303, 400])
  })

  t.test('grants revoke ends a grant on both instances', async t => {
    const { redeem } = await approve(a)
    const { body } = await token(a, redeem)
    const bearer = { authorization: `Bearer ${body.access_token}` }
    const parent = await directory(t)
    t.match(
      await say(['grants', 'revoke', '--client', redeem.client_id ?? ''], parent, {
        ...credentials,
        REDIS_URL: url,
        STATE_DIR: `${parent}/state`
      }),
      { code: 0, stderr: 'Done on the servers that share REDIS_URL.' }
    )
    for (const app of [a, b]) await until(async () => (await post(app, callOf('whoami'), bearer)).status === 401)
    t.ok(await isRefreshRefused(b, redeem.client_id ?? '', body.refresh_token ?? ''))
  })
})
