/** Audit records are canonical JSON without credentials, for any input of callers. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../../../src/lib/canonical-json.js'
import { createRedactor } from '../../../../src/log/redact.js'
import { createDigest } from '../../../../src/telemetry/audit/chain.js'
import { RecordWriter } from '../../../../src/telemetry/audit/record.js'
import type { Decision } from '../../../../src/telemetry/decision.js'

const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln'
const link = { boot: '3f1c0b5e-0000-4000-8000-000000000000', seq: 7, prev: '0'.repeat(64) }
const called: Decision = { kind: 'called', outcome: 'allowed', at: 0 }

/** The members that may contain text of a caller, a host or a provider. */
const texts = [
  'address', 'client', 'code', 'item', 'keyId', 'method', 'oauthClient', 'principal', 'requestId', 'tokenId', 'why'
] as const

function writer (secrets: readonly string[] = []): (decision: Partial<Decision>) => string {
  const records = new RecordWriter(createDigest(undefined), createRedactor(secrets))
  return decision => records.textOf({ ...called, ...decision }, link)
}

t.test('no member contains a credential, even if a caller repeats it', async t => {
  const textOf = writer(['a-plain-old-key'])
  for (const name of texts) {
    for (const value of ['a-plain-old-key', token, token]) {
      const text = textOf({ [name]: `x ${value}` })
      t.match(JSON.parse(text), { [name]: 'x [redacted]', kind: 'called', seq: 7 })
      t.notMatch(text, /a-plain-old-key|eyJ/)
    }
  }
})

t.test('a tool named like a header does not change the other members', async t => {
  const textOf = writer()
  for (const name of ['cookie', 'set-cookie', 'authorization', 'x-api-key']) {
    const decision = { ...Object.fromEntries(texts.map(member => [member, name])), itemKind: 'tool', era: 'modern' }
    const record = JSON.parse(textOf(decision as Partial<Decision>))
    t.match(record, { ...decision, outcome: 'allowed' })
    t.equal(textOf(decision as Partial<Decision>), canonicalJson(record))
  }
})

t.test('details without credentials stay canonical', async t => {
  const about = { a: 'cookie', b: { authorization: 'open sesame', list: ['x-api-key', 'open sesame'] }, z: token }
  const text = writer()({ about })
  t.notMatch(text, /sesame|eyJ/)
  t.equal(text, canonicalJson(JSON.parse(text)))
})

t.test('a secret that looks like a JSON number hides only the details', async t => {
  const text = writer(['true', '2000'])({ about: { isGood: true, count: 2000 }, http: httpWith(200), ms: 2000 })
  t.match(JSON.parse(text), { about: '[redacted]', status: 200, ms: 2000 })
})

function httpWith (status: number): NonNullable<Decision['http']> {
  return { status, isCut: false, isGoodProbe: false }
}

t.test('each of many names is recorded unchanged', async t => {
  const textOf = writer()
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 1500; n++) {
      const { item, client } = JSON.parse(textOf({ item: `tool-${n}`, client: 'x'.repeat(n) }))
      if (item !== `tool-${n}` || client.length !== n) t.fail(`${n} became ${item}`)
    }
  }
})

t.test('a record is canonical and parses to what was written', async t => {
  const records = new RecordWriter(createDigest(undefined), json => json)
  const members = fc.record(Object.fromEntries(texts.map(name => [name, fc.string({ unit: 'binary' })])), {
    requiredKeys: []
  })
  fc.assert(
    fc.property(members, fc.option(fc.dictionary(fc.string(), fc.jsonValue())), fc.double(), (some, about, ms) => {
      const decision = { ...called, ...some, ms, ...(about === null ? {} : { about }) }
      const text = records.textOf(decision, link)
      const record = JSON.parse(text)
      t.equal(text, canonicalJson(record))
      for (const [name, value] of Object.entries(some)) t.equal(record[name], value)
    })
  )
})

t.test('the digest of arguments is computed over canonical JSON', async t => {
  fc.assert(
    fc.property(fc.jsonValue(), values => {
      const text = writer()({ arguments: () => ({ values, loggable: [] }) })
      const digest = createHash('sha256').update(canonicalJson(values)).digest('hex')
      t.match(JSON.parse(text), { args: { digest } })
    })
  )
  t.notOk('args' in JSON.parse(writer()({ arguments: () => ({ values: undefined, loggable: [] }) })))
})
