/** A failure that the operator can mend: its message is all they are shown, without a stack. */
export class OperatorError extends Error {
  override readonly name: string = 'OperatorError'
}
