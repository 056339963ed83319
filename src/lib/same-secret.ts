/** Compares secrets in constant time. */
import { hash, timingSafeEqual } from 'node:crypto'

/** Compares digests, because they have the same length whatever was sent. */
export function isSameSecret (given: string, expected: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'))
}
