/** Finds the key set of an issuer, and refuses foreign metadata. */
import t from 'tap'
import { createKeyLoader, metadataUrls } from '../../../../src/tokens/provider/discovery.js'
import { fakeIssuer, json } from '../../../support/issuer.js'

const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const openid = '/.well-known/openid-configuration'
const oauth = '/.well-known/oauth-authorization-server'

for (const [issuer, ...urls] of [
  ['https://id.example.com', `https://id.example.com${openid}`, `https://id.example.com${oauth}`],
  ['https://id.example.com/', `https://id.example.com${openid}`, `https://id.example.com${oauth}`],
  [
    'https://id.example.com/realms/team',
    `https://id.example.com/realms/team${openid}`,
    `https://id.example.com${oauth}/realms/team`
  ],
  [
    'https://id.example.com/t/v2.0/',
    `https://id.example.com/t/v2.0${openid}`,
    `https://id.example.com${oauth}/t/v2.0`
  ]
] as const) {
  t.test(`metadataUrls of ${issuer} follow the specifications`, async t => {
    t.same(metadataUrls(issuer).map(String), urls)
  })
}

t.test("the key set's address is read from the metadata once", async (t) => {
  const fake = await fakeIssuer(t)
  const load = createKeyLoader(fake.issuer)
  t.same(await load(signal()), { keys: [] })
  t.same(await load(signal()), { keys: [] })
  t.same(fake.requests, [openid, '/jwks', '/jwks'])
})

t.test('the metadata is read again after a failed fetch of the keys', async (t) => {
  const fake = await fakeIssuer(t)
  const load = createKeyLoader(fake.issuer)
  await load(signal())
  fake.answer('/jwks', json({}, 404))
  await t.rejects(load(signal()))
  fake.answer('/keys', json({ keys: ['moved'] }))
  fake.answer(openid, json({ issuer: fake.issuer, jwks_uri: `${fake.issuer}/keys` }))
  t.same(await load(signal()), { keys: ['moved'] })
})

t.test('an OAuth-only provider uses the RFC 8414 address', async (t) => {
  const fake = await fakeIssuer(t)
  fake.answer(openid, json({}, 404))
  fake.answer(oauth, json({ issuer: fake.issuer, jwks_uri: fake.jwksUrl }))
  t.same(await createKeyLoader(fake.issuer)(signal()), { keys: [] })
  t.same(fake.requests, [openid, oauth, '/jwks'])
})

for (const [what, metadata] of [
  ['of another issuer', (own: string) => ({ issuer: 'https://evil.example.com', jwks_uri: `${own}/jwks` })],
  ['of the issuer with a slash more', (own: string) => ({ issuer: `${own}/`, jwks_uri: `${own}/jwks` })],
  ['without an issuer', (own: string) => ({ jwks_uri: `${own}/jwks` })],
  ['without keys', (own: string) => ({ issuer: own })],
  ['with keys by http from afar', (own: string) => ({ issuer: own, jwks_uri: 'http://id.example.com/jwks' })],
  ['with keys in a file', (own: string) => ({ issuer: own, jwks_uri: 'file:///etc/passwd' })],
  ['with keys at no address', (own: string) => ({ issuer: own, jwks_uri: '/jwks' })],
  ['with keys in a list', (own: string) => ({ issuer: own, jwks_uri: [`${own}/jwks`] })],
  ['that is null', () => null],
  ['that is text', () => 'issuer']
] as Array<[string, (own: string) => unknown]>) {
  t.test(`metadata ${what} is refused`, async (t) => {
    const fake = await fakeIssuer(t)
    fake.answer(openid, json(metadata(fake.issuer)))
    await t.rejects(createKeyLoader(fake.issuer)(signal()), { name: 'ProviderError', message: /its metadata/ })
    t.notOk(fake.requests.includes('/jwks'))
  })
}

t.test('a provider that does not answer is asked at one address only', async (t) => {
  const fake = await fakeIssuer(t)
  const late = new AbortController()
  fake.answer(openid, () => { late.abort() })
  await t.rejects(createKeyLoader(fake.issuer)(late.signal), { message: 'it did not answer in time' })
  t.same(fake.requests, [openid])
})
