/** A rule that needs more than one setting. */
import type { Problem } from './problem.js'
import type { Config } from './variables.js'

/** What is wrong with the settings together, and what an operator had better know. Empty where all is well. */
export type Rule = (config: Config) => { problems?: readonly Problem[], warnings?: readonly string[] }
