/** Ends the run of a handler that asked its caller: the answer arrives in another request. */

/** Not a failure: the handler can only continue when the caller has answered, in a later request. */
export class Suspended {
  readonly result: Record<string, unknown>
  readonly #made = true

  constructor (result: Record<string, unknown>) {
    this.result = result
  }

  /** Not `instanceof`: a hostile proxy thrown by a handler can make it throw or lie. */
  static is (thrown: unknown): thrown is Suspended {
    return typeof thrown === 'object' && thrown !== null && #made in thrown
  }
}
