/** The project cannot be created. The message is one sentence for the user. */
export class CreateError extends Error {
  name = 'CreateError'

  constructor (message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
