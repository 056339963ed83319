/** Maps the reason for refusing a credential to a word from a fixed set, for metrics and audit. */

/** Matched against the reason; the first match applies. */
const words: ReadonlyArray<readonly [RegExp, string]> = [
  [/^no credential was presented/, 'no-credential'],
  [/revoked/, 'revoked'],
  [/expired|replaced/, 'expired'],
  [/disabled/, 'disabled'],
  [/not allowed from this network/, 'network'],
  [/is unknown/, 'unknown-key'],
  [/mistyped/, 'mistyped-key'],
  [/not accepted here/, 'not-accepted'],
  [/^aud /, 'audience'],
  [/^iss |none of the issuers/, 'issuer'],
  [/verif|signature/, 'signature']
]

export function whyRefused (reason: string): string {
  return words.find(([form]) => form.test(reason))?.[1] ?? 'invalid-credential'
}
