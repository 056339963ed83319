/** The type of a rule about several settings. */
import type { Problem } from './problem.js'
import type { Config } from './variables.js'

/**
 * Returns problems with the settings, and warnings for the operator. Returns an empty object if there are
 * none.
 */
export type Rule = (config: Config) => { problems?: readonly Problem[], warnings?: readonly string[] }
