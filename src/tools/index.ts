/** The built-in tools, listed one by one. */
import { type GenerateTokenOptions, createGenerateToken } from './generate-token.js'
import type { Tool } from './tool.js'
import { whoami } from './whoami.js'

/** `minting`: left out where tokens can't be minted, for want of a secret to sign with. */
export function builtInTools ({ minting }: { readonly minting?: GenerateTokenOptions } = {}): readonly Tool[] {
  return minting === undefined ? [whoami] : [whoami, createGenerateToken(minting)]
}
