/** The form of a scope. */

/** Printable ASCII without spaces, quotes and backslashes, of any length (RFC 6749 §3.3). */
export const scopeForm = /^[!#-[\]-~]+$/
