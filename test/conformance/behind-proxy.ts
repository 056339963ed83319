/** Scenarios that fail with the fixture behind the proxy, and why. docs/conformance.md has the same. */
export const behindProxy: ReadonlyMap<string, string> = new Map([
  ['server-stateless',
    'the proxy declares all capabilities to the upstream, so that test_missing_capability is executed there'],
  ['input-required-result-capability-check',
    'the proxy declares all capabilities to the upstream; what this caller cannot answer fails'],
  ['input-required-result-basic-elicitation', 'the proxy gives questions keys of its own'],
  ['input-required-result-ignore-extra-params', 'the proxy gives questions keys of its own']
])
