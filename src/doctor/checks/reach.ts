/** Checks the name, port, addresses and TLS, and whether the server responds at all. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Finding } from '../finding.js'
import { NoAnswerError } from '../request.js'
import { bareName, isPrivate, type Visit } from '../visit.js'
import { eachAddress } from './each-address.js'

const day = 86_400_000

const tlsFaults: Readonly<Record<string, readonly [what: string, fix: string]>> = {
  CERT_HAS_EXPIRED: ['The certificate has expired', 'renew it, and reload the proxy that serves it'],
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    'The certificate is self-signed',
    "get one from a public authority, such as Let's Encrypt"
  ],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'The certificate is from an authority that is not public',
    "get one from a public authority, such as Let's Encrypt; if all clients trust yours, run this with " +
      'NODE_EXTRA_CA_CERTS=ca.pem'
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'The certificate chain is incomplete',
    'also serve the intermediate certificates: nginx ssl_certificate fullchain.pem'
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'The certificate chain is incomplete',
    'also serve the intermediate certificates: nginx ssl_certificate fullchain.pem'
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'The certificate is for another name',
    'get one for the name in the URL, or correct the URL'
  ],
  CERT_NOT_YET_VALID: ['The certificate is not valid yet', 'correct the clocks, here and on the server']
}

/** What else can fail in a TLS handshake, by a part of the code. The first match counts. */
const handshakeFaults: ReadonlyArray<readonly [code: RegExp, what: string, fix: string]> = [
  [
    /CERTIFICATE_REQUIRED|CERTIFICATE_MISSING/,
    'The server requires a certificate of the client',
    'turn it off for the endpoint (nginx ssl_verify_client off), or use a client that has one'
  ],
  [
    /UNRECOGNIZED_NAME/,
    'The server has no certificate for this name',
    'get one for the name in the URL, and list the name in server_name'
  ],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|HANDSHAKE_FAILURE|NO_CIPHER|DH_KEY_TOO_SMALL/,
    'The server and its clients have no TLS version or cipher in common',
    'nginx: ssl_protocols TLSv1.2 TLSv1.3, and the default ssl_ciphers'
  ],
  [
    /^ERR_SSL|^EPROTO$/,
    'The server does not use TLS on this port',
    'serve https there, or correct the scheme and the port of the URL'
  ],
  [
    /CERT|^UNABLE_TO_|^INVALID_|CRL|KEY_TOO_SMALL|MD_TOO_WEAK/,
    'The certificate is not accepted',
    "get one from a public authority, such as Let's Encrypt"
  ]
]

/** `isFatal`: the server does not respond, so the other checks are skipped. */
export async function reach (
  visit: Visit
): Promise<{ readonly findings: readonly Finding[]; readonly isFatal: boolean }> {
  const addresses = await addressesOf(visit.url.hostname)
  if (addresses.length === 0) {
    return {
      isFatal: true,
      findings: [
        {
          id: 'name',
          severity: 'error',
          what: `The name ${visit.url.hostname} does not resolve`,
          why: 'No client can find the server.',
          fix: 'add an A or AAAA record, or correct the URL'
        }
      ]
    }
  }
  try {
    const { certificateEndsAt } = await visit.anonymous()
    // `localhost` usually has two addresses, and servers for one machine listen on one of them.
    const broken = visit.isLocal ? [] : await eachAddress(visit, addresses)
    return { isFatal: false, findings: [...placeFindings(visit, addresses), ...expiry(certificateEndsAt), ...broken] }
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error
    return { isFatal: true, findings: [...placeFindings(visit, addresses), noAnswer(error.code, visit.url)] }
  }
}

async function addressesOf (hostname: string): Promise<string[]> {
  const bare = bareName(hostname)
  if (isIP(bare) !== 0) return [bare]
  return await lookup(bare, { all: true }).then(found => found.map(({ address }) => address), () => [])
}

function placeFindings (visit: Visit, addresses: readonly string[]): Finding[] {
  const { url, as } = visit
  const severity = visit.publicSeverity
  const found: Finding[] = []
  if (url.protocol === 'http:') {
    found.push({
      id: 'https',
      severity,
      what: 'The URL is http',
      why: 'Credentials cross the network unencrypted, and hosted clients refuse http.',
      fix: 'put a proxy with TLS in front, and set PUBLIC_URL to the https URL'
    })
  }
  const port = url.port === '' ? undefined : url.port
  if (port !== undefined) {
    found.push({
      id: 'port',
      severity: visit.isHosted ? 'error' : 'info',
      what: `The URL names port ${port}`,
      why: 'Hosted clients call port 443 only.',
      fix: 'serve https on port 443, and leave the port out of the URL'
    })
  }
  if (addresses.every(address => isIP(address) === 6) && !addresses.some(isPrivate)) {
    found.push({
      id: 'address-family',
      severity: visit.isHosted ? 'error' : 'info',
      what: `${url.hostname} has only IPv6 addresses`,
      why: 'Hosted clients, and many networks, call over IPv4 only.',
      fix: 'add an A record'
    })
  }
  const hidden = addresses.filter(isPrivate)
  if (hidden.length > 0) {
    const isName = isIP(bareName(url.hostname)) === 0
    const subject = isName ? `${url.hostname} resolves to ${hidden.join(', ')}, which` : url.hostname
    const what = `${subject} is not reachable from the internet`
    found.push({
      id: 'private-address',
      severity: visit.isHosted ? 'error' : 'info',
      what,
      why: `${as ?? 'A hosted client'} calls from the internet.`,
      fix: 'point the name to a public address, or use a client on this network'
    })
  }
  return found
}

function noAnswer (code: string, url: URL): Finding {
  const [, ...handshakeFault] = handshakeFaults.find(([pattern]) => pattern.test(code)) ?? []
  const [what, fix] = tlsFaults[code] ?? handshakeFault
  if (what !== undefined && fix !== undefined) {
    return {
      id: 'tls',
      severity: 'error',
      what: `${what} (${code})`,
      why: 'Clients refuse the connection before they send anything.',
      fix
    }
  }
  if (code === 'unfinished') {
    return {
      id: 'unfinished',
      severity: 'error',
      what: `${url.host} sends the headers of a response, but not its end`,
      why: 'Every call waits until the client gives up.',
      fix: 'read the log of the server; check whether the proxy or a filter in it holds the body back'
    }
  }
  if (code.startsWith('HPE_')) {
    return {
      id: 'unreachable',
      severity: 'error',
      what: `${url.host} answers with something that is not HTTP/1.1 (${code})`,
      why: 'No client can read it.',
      fix: 'correct the port of the URL; check what listens there'
    }
  }
  return {
    id: 'unreachable',
    severity: 'error',
    what: `${url.host} does not respond (${code})`,
    why: 'No client can reach the server.',
    fix: 'make sure that the server and its proxy run, that HOST is not loopback, and that the firewall ' +
      'allows the port'
  }
}

function expiry (endsAt: number | undefined): Finding[] {
  if (endsAt === undefined || Number.isNaN(endsAt)) return []
  const days = Math.floor((endsAt - Date.now()) / day)
  if (days >= 14) return []
  return [
    {
      id: 'tls-expiry',
      severity: 'warning',
      what: `The certificate expires in ${days} ${days === 1 ? 'day' : 'days'}`,
      why: 'After that, no client can connect.',
      fix: 'find out why it was not renewed automatically'
    }
  ]
}
