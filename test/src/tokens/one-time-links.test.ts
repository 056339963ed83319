/** One-time links for minted tokens. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createRedactor } from '../../../src/log/redact.js'
import { OneTimeLinks, type ParcelToken } from '../../../src/tokens/one-time-links.js'
import { MemoryOneTimeStore } from '../../../src/tokens/one-time-store.js'

const parcel = {
  token: 'the token',
  userId: 'ada-lovelace',
  role: 'user',
  expiresAt: '2026-01-01T00:00:00.000Z'
} as const
const token = { id: 'jwt:ada-lovelace', tokenId: 'jti', issuedAt: 1 }

async function codeOf (links: OneTimeLinks): Promise<string> {
  return (await links.offer(parcel, token))?.code ?? ''
}

t.test('claim returns a token once', async t => {
  const links = new OneTimeLinks()
  const code = await codeOf(links)
  t.same(await links.claim(code), parcel)
  t.equal(await links.claim(code), undefined)
})

t.test('claim does not return a token that was revoked', async t => {
  const asked: ParcelToken[] = []
  const links = new OneTimeLinks({ isRevoked: one => asked.push(one) > 0 })
  t.equal(await links.claim(await codeOf(links)), undefined)
  t.same(asked, [token])
})

t.test('each offer has its own code, which the log redacts', async t => {
  const links = new OneTimeLinks()
  const codes = new Set(await Promise.all(Array.from({ length: 100 }, async () => await codeOf(links))))
  t.equal(codes.size, 100)
  for (const code of codes) t.notMatch(createRedactor()(`{"path":"/claim/${code}"}`), code.slice(10))
})

t.test('a token waits no longer than the ttl', async t => {
  const links = new OneTimeLinks({ ttlMs: 5 })
  const code = await codeOf(links)
  await sleep(50)
  t.equal(await links.claim(code), undefined)
  t.equal(await links.isFull(), false)
})

t.test('offer refuses if too many tokens wait', async t => {
  const links = new OneTimeLinks({ store: new MemoryOneTimeStore(1) })
  await codeOf(links)
  t.equal(await links.isFull(), true)
  t.equal(await links.offer(parcel), undefined)
})

t.test('the store contains neither tokens nor codes', async t => {
  const kept = new Map<string, string>()
  const store = {
    isFull: () => false,
    put: (id: string, sealed: string) => {
      kept.set(id, sealed)
      return 'put' as const
    },
    take: (id: string) => kept.get(id),
    spend: () => true,
    close: () => {}
  }
  const links = new OneTimeLinks({ store })
  const [one, other] = [await codeOf(links), await codeOf(links)]
  const all = [...kept].flat().join(' ')
  // The sealed text could contain three letters by chance.
  for (const part of ['the token', 'ada-lovelace', one, other, one.slice(10)]) t.notOk(all.includes(part))
  const [first = '', second = ''] = kept.keys()
  kept.set(first, kept.get(second) ?? '')
  t.equal(await links.claim(one), undefined)
  for (const sealed of ['', 'x', Buffer.alloc(100).toString('base64url')]) {
    kept.set(first, sealed)
    t.equal(await links.claim(one), undefined)
  }
})

for (const [what, code] of [
  ['nothing', ''],
  ['a name of a prototype', '__proto__'],
  ['a long text', 'x'.repeat(1e5)]
] as const) {
  t.test(`${what} fetches nothing`, async t => {
    t.equal(await new OneTimeLinks().claim(code), undefined)
  })
}
