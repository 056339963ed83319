/** Checks the settings of a server and its Redis for errors and risks. */
import { resolve } from 'node:path'
import { readKeyFile } from '../api-keys/file.js'
import { type Environment, isLoopback, type LoadedConfig } from '../config/load.js'
import { OperatorError } from '../lib/operator-error.js'
import { placeProblems } from '../setting-files.js'
import { byWeight, type Finding } from './finding.js'
import { examineRedis } from './redis.js'

const week = 7 * 86_400_000

/**
 * Returns the findings, the most severe ones first. `directory`: the base of relative paths. `env`: the
 * variables that settings files may refer to.
 */
export async function examineSettings (
  { config, problems, warnings, fileWarnings }: LoadedConfig,
  directory: string,
  env: Environment
): Promise<Finding[]> {
  const all = [...problems, ...await placeProblems(config, directory, env)]
  const found: Finding[] = all.map(({ variable, wrong, right }) => ({
    id: 'setting', severity: 'error', what: `${variable} ${wrong}`, why: 'The server does not start.', fix: right
  }))
  for (const warning of [...warnings, ...fileWarnings]) {
    const [what = warning, ...rest] = warning.split(/[;:] /)
    found.push({
      id: 'setting-risk',
      severity: 'warning',
      what,
      why: 'The server starts, but with a risk.',
      fix: rest.join('; ') || 'see docs/configuration.md'
    })
  }
  const isPublic = config.PUBLIC_URL?.startsWith('https:') === true
  if (isPublic && config.TRUST_PROXY.length === 0) {
    found.push({
      id: 'trust-proxy',
      severity: 'warning',
      what: 'PUBLIC_URL is https, but TRUST_PROXY is empty',
      why: 'The server sees only the address of the proxy, so one broken client locks out everybody.',
      fix: 'set TRUST_PROXY to the address of the proxy, such as loopback'
    })
  }
  if (isPublic && config.NODE_ENV !== 'production') {
    found.push({
      id: 'node-env',
      severity: 'info',
      what: `NODE_ENV is ${config.NODE_ENV}, but the server is public`,
      why: 'Weak secrets are accepted on loopback.',
      fix: 'set NODE_ENV=production'
    })
  }
  if (!isLoopback(config.HOST) && config.PUBLIC_URL === undefined) {
    found.push({
      id: 'public-url',
      severity: 'info',
      what: 'HOST is not a loopback address, and PUBLIC_URL is not set',
      why: 'Clients cannot find out where to sign in by OAuth.',
      fix: 'set PUBLIC_URL to the base of the URL that callers use'
    })
  }
  const { REDIS_URL, REDIS_PREFIX } = config
  // An invalid URL has already been reported above.
  const redis = REDIS_URL === undefined || problems.some(({ variable }) => variable.startsWith('REDIS_'))
    ? []
    : await examineRedis(REDIS_URL, REDIS_PREFIX)
  return byWeight([...found, ...redis, ...await expiringKeys(config.API_KEYS_FILE, directory)])
}

async function expiringKeys (file: string | undefined, directory: string): Promise<Finding[]> {
  if (file === undefined) return []
  try {
    const soon = Date.now() + week
    const ending = (await readKeyFile(resolve(directory, file))).filter(({ expiresAt, revokedAt }) => {
      const end = expiresAt === undefined ? Infinity : Date.parse(expiresAt)
      return revokedAt === undefined && end > Date.now() && end < soon
    })
    if (ending.length === 0) return []
    return [
      {
        id: 'keys-ending',
        severity: 'warning',
        what: `${ending.length} ${ending.length === 1 ? 'key expires' : 'keys expire'} within a week: ${ending
          .slice(0, 5)
          .map(({ id }) => id)
          .join(', ')}${ending.length > 5 ? ', …' : ''}`,
        why: 'After that, their callers are refused.',
        fix: 'replace each with: fastify-mcp-auth keys rotate ID'
      }
    ]
  } catch (error) {
    // Already reported as a problem of the setting.
    if (error instanceof OperatorError) return []
    throw error
  }
}
