/** The end of a handler that asked its caller: the answer comes with another request. */

/** Not a failure: the handler can't go on before the caller answered, in a request to come. */
export class Suspended {
  readonly result: Record<string, unknown>
  readonly #made = true

  constructor (result: Record<string, unknown>) {
    this.result = result
  }

  /** Not `instanceof`: of a hostile proxy that a handler threw it can throw, or lie. */
  static is (thrown: unknown): thrown is Suspended {
    return typeof thrown === 'object' && thrown !== null && #made in thrown
  }
}
