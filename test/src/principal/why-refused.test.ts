/** Each reason in the log has a label for the metrics. */
import t from 'tap'
import { whyRefused } from '../../../src/principal/why-refused.js'

for (const [reason, word] of [
  ['no credential was presented: the scheme of Authorization is not Bearer', 'no-credential'],
  ['the API key was revoked', 'revoked'],
  ['the API key has expired', 'expired'],
  ['the secret of the API key was replaced', 'expired'],
  ['the API key is disabled', 'disabled'],
  ['the API key is not allowed from this network', 'network'],
  ['the API key is unknown', 'unknown-key'],
  ['aud is not this server', 'audience'],
  ['iss is not a known issuer', 'issuer'],
  ['no key of the issuer verifies it', 'signature'],
  ['kid is not a string', 'invalid-credential']
] as const) t.test(reason, async t => { t.equal(whyRefused(reason), word) })
