/** Why there is no project. The message is one sentence for the person who asked for it. */
export class CreateError extends Error {
  name = 'CreateError'

  constructor (message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
