/** A failure that the person at the terminal can mend: its message is all they are shown. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
}
