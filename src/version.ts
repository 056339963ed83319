/** The version of this package: a constant, so that a bundle needs no package.json. A test compares them. */
export const version: string = '0.1.0'
