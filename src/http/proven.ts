/** What the credential of a request proved, whatever stands in `request.principal` by now. */
import type { FastifyRequest } from 'fastify'
import { isRecord } from '../lib/guards.js'
import { freezePrincipal, type Principal } from '../principal/principal.js'
import { linkProof } from '../principal/proof.js'

const proof = Symbol('what the credential of a request proved')

export function noteProof (request: FastifyRequest & { [proof]?: Principal }, principal: Principal): void {
  request[proof] = principal
}

/** The caller of the request. A host's hook may have put a copy in the place of the principal, which is judged by the original. */
export function callerOf (request: FastifyRequest & { [proof]?: Principal }): Principal | null {
  const { principal: given, [proof]: proven } = request
  if (given === null || given === undefined) return null
  // A host that makes its own principals may know nothing of attributes; those who ask for them rely on some.
  const principal = isRecord(given.attributes) ? given : freezePrincipal({ ...given, attributes: {} })
  if (proven !== undefined) linkProof(principal, proven)
  return principal
}
