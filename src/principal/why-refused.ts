/** Why a credential was refused, as one word from a fixed set, for metrics and audit. */

/** By what the reason says; the first that fits. */
const words: ReadonlyArray<readonly [RegExp, string]> = [
  [/^no credential was presented/, 'no-credential'],
  [/revoked/, 'revoked'],
  [/expired|replaced/, 'expired'],
  [/disabled/, 'disabled'],
  [/not for this network/, 'network'],
  [/is not known/, 'unknown-key'],
  [/mistyped/, 'mistyped-key'],
  [/not accepted here/, 'not-accepted'],
  [/^aud /, 'audience'],
  [/^iss |none of the issuers/, 'issuer'],
  [/verif|signature/, 'signature']
]

export function whyRefused (reason: string): string {
  return words.find(([form]) => form.test(reason))?.[1] ?? 'invalid-credential'
}
