/** The secrets among the settings, for redaction. */
import type { Config } from './config/load.js'
import { passwordsIn } from './redis/link/url.js'

/** The secrets that a log line must not contain. */
export function secretsOf ({
  API_KEYS,
  JWT_SECRET,
  JWT_SECRET_PREVIOUS,
  REQUEST_STATE_KEY,
  REDIS_URL,
  AUDIT_KEY,
  METRICS_TOKEN
}: Config): readonly string[] {
  const redis = REDIS_URL === undefined ? [] : passwordsIn(REDIS_URL)
  return [
    ...API_KEYS,
    JWT_SECRET,
    ...JWT_SECRET_PREVIOUS,
    REQUEST_STATE_KEY,
    AUDIT_KEY,
    METRICS_TOKEN,
    ...redis
  ].filter(secret => secret !== undefined)
}
