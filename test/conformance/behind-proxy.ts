/** The checks that fail behind the proxy, with reasons. docs/conformance.md lists them too. */
export interface ExpectedFailure {
  readonly scenario: string
  readonly check: string
  readonly reason: string
}

const declaresAll = 'the proxy declares all capabilities to the upstream, so a tool that needs one is executed there'
const noChange = 'an item that is added and removed at once does not change the list of the proxy'
const ownKeys = 'the proxy gives questions keys of its own, by which it finds the waiting call'

export const behindProxy: readonly ExpectedFailure[] = [
  { scenario: 'server-stateless', check: 'sep-2575-server-rejects-undeclared-capability', reason: declaresAll },
  { scenario: 'server-stateless', check: 'sep-2575-missing-capability-http-400', reason: declaresAll },
  {
    scenario: 'server-stateless', check: 'sep-2575-server-sends-prompts-list-changed-on-subscription', reason: noChange
  },
  {
    scenario: 'server-stateless', check: 'sep-2575-server-sends-tools-list-changed-on-subscription', reason: noChange
  },
  {
    scenario: 'input-required-result-capability-check',
    check: 'sep-2322-respect-client-capabilities',
    reason: 'the upstream asks for everything, and the call fails at the question that this caller cannot answer'
  },
  {
    scenario: 'input-required-result-basic-elicitation', check: 'sep-2322-elicitation-incomplete', reason: ownKeys
  },
  {
    scenario: 'input-required-result-ignore-extra-params', check: 'sep-2322-ignore-unexpected-params', reason: ownKeys
  }
]
