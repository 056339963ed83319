/** Tests that every observer of decisions must pass. */
import type { Test } from 'tap'
import type { Decision, DecisionKind, Observer, Outcome } from '../../../src/telemetry/decision.js'

/** The compiler checks that no kind is missing. */
const kinds: Readonly<Record<DecisionKind, true>> = {
  refused: true,
  limited: true,
  called: true,
  served: true,
  'token-minted': true,
  'token-claimed': true,
  'token-revoked': true,
  'subject-revoked': true,
  'key-created': true,
  'key-changed': true,
  'key-rotated': true,
  'key-disabled': true,
  'key-enabled': true,
  'key-revoked': true,
  'key-removed': true,
  'grant-created': true,
  'grant-revoked': true,
  'client-created': true,
  'client-revoked': true,
  'session-opened': true,
  'session-closed': true,
  configured: true,
  frozen: true,
  thawed: true,
  'address-unlocked': true,
  'audit-opened': true,
  'audit-closed': true,
  'audit-dropped': true
}
const outcomes: readonly Outcome[] = ['allowed', 'denied', 'failed']

/** Returns a decision with `text` in every field that a caller can influence. */
function full (kind: DecisionKind, outcome: Outcome, text: string): Decision {
  return {
    kind,
    outcome,
    at: 1,
    requestId: text,
    address: text,
    principal: text,
    credential: 'jwt',
    keyId: text,
    tokenId: text,
    oauthClient: text,
    client: text,
    era: 'modern',
    revision: text,
    method: text,
    itemKind: 'tool',
    item: text,
    batch: { size: 2, index: 1, result: text },
    result: text,
    code: text,
    why: text,
    reason: text,
    ms: 1.5,
    http: { method: text, path: text, status: 200, isCut: false, isGoodProbe: false },
    about: { text }
  }
}

export interface OpenObserver {
  readonly observer: Observer
  /** Starts a span, for an observer with spans. */
  readonly span?: () => Decision['span']
}

/** `open` returns a new observer, which is closed at the test's end. */
export async function observerContract (t: Test, open: (t: Test) => Promise<OpenObserver>): Promise<void> {
  t.test('note accepts a decision of every kind and outcome, and returns no promise', async t => {
    const { observer } = await open(t)
    for (const kind of Object.keys(kinds) as DecisionKind[]) {
      for (const outcome of outcomes) {
        const answer: unknown = observer.note(Object.freeze({ kind, outcome, at: 1 }))
        t.equal(answer, undefined, `${kind} ${outcome}`)
      }
    }
  })

  t.test('note accepts any text in any field and does not change the decision', async t => {
    const { observer, span = () => undefined } = await open(t)
    for (const text of ['', ' ', '__proto__', 'a\n"b"{}\\', '\u0000\u2028\ud800', 'x'.repeat(100_000)]) {
      for (const kind of ['called', 'refused', 'limited', 'token-minted'] as const) {
        const decision = { ...full(kind, 'failed', text), span: span() }
        const before = JSON.stringify({ ...decision, span: undefined })
        observer.note(Object.freeze(decision))
        t.equal(JSON.stringify({ ...decision, span: undefined }), before)
      }
    }
  })
}
