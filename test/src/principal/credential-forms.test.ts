/** Texts that are recognized as credentials, and ids that are not. */
import t from 'tap'
import {
  type CredentialForm,
  credentialForms,
  holdsCredential,
  holdsWholeCredential,
  patternsOf
} from '../../../src/principal/credential-forms.js'
import { mintKey } from '../../../src/api-keys/format.js'

const key = mintKey().key

for (const text of [
  'eyJhbGciOiJIUzI1NiJ9.',
  'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
  '  eyJhbGciOiJIUzI1NiJ9.e30',
  key,
  `x-api-key: ${key}`,
  key.slice(0, 24),
  `mcp_${'a-B_'.repeat(10)}abc`,
  `mcp_claim_${'A'.repeat(43)}`,
  'bearer abc'
]) {
  t.test(`${text.slice(0, 9)}… is recognized as a credential`, async t => {
    t.ok(holdsCredential(text))
  })
}

for (const text of [
  '1b0c4f7e-9f1f-4d5c-8f4e-2f6a3b0d9c11',
  'ada',
  'eyJ',
  'jwt:ada@example.com',
  'mcp_integration',
  'mcp_claim_service',
  'bearer',
  'oauth:auth0|5f7c8ec7c33c6c004bbafe82',
  'ab'.repeat(32)
]) {
  t.test(`${text} is accepted as an id`, async t => {
    t.notOk(holdsCredential(text))
  })
}

for (const text of [
  'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
  key,
  `key ${key}`,
  `mcp_${'a-B_'.repeat(10)}abc`,
  'Authorization: Bearer 0123456789abcdef'
]) {
  t.test(`${text.slice(0, 12)}… is recognized as a credential anywhere`, async t => {
    t.ok(holdsWholeCredential(text))
  })
}

for (const text of [
  'mcp_integrations_read',
  'mcp_transactions_write',
  'mcp_organization_admin',
  'bearer token of ci',
  'mcp_a-scope-of-many-words-that-is-long-and-lower-case-only',
  'eyJ.'
]) {
  t.test(`${text} is accepted as a name`, async t => {
    t.notOk(holdsWholeCredential(text))
  })
}

t.test(
  'a form added to the table is redacted and refused everywhere',
  async t => {
    const other: CredentialForm = {
      name: 'other',
      opening: 'oth_',
      logged: 'oth_\\w{8,}',
      inIds: 'oth_\\w{8}',
      whole: 'oth_\\w{16}',
      part: 'oth_\\w{4,}'
    }
    const patterns = patternsOf([...credentialForms, other])
    const credential = `oth_${'x'.repeat(16)}`
    for (const text of [credential, key]) {
      t.equal(`a ${text} b`.replace(patterns.logged, '-'), 'a - b')
      t.ok(patterns.openings.some(opening => text.startsWith(opening)))
      t.ok(holdsCredential(text, patterns))
      t.ok(holdsWholeCredential(text, patterns))
      t.ok(patterns.part.test(text))
    }
    t.notOk(
      holdsCredential(credential) || holdsWholeCredential(credential),
      'without its row it looks like nothing'
    )
  }
)
