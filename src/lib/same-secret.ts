/** Compares secrets in a time that tells nothing about them. */
import { hash, timingSafeEqual } from 'node:crypto'

/** By their digests, which are of one length whatever was sent. */
export function isSameSecret (given: string, expected: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'))
}
