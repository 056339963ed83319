/** Certificates with common mistakes, issued by a test authority with `openssl`. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CertificateOptions {
  /** Default `DNS:localhost,IP:127.0.0.1`. */
  readonly names?: string
  /** Days from now. Default yesterday to a year from now. */
  readonly from?: number
  readonly to?: number
  /** Omit the intermediate certificate. */
  readonly alone?: boolean
}

export class Authority {
  readonly #directory: string
  /** The path of the root certificate, for `NODE_EXTRA_CA_CERTS`. */
  readonly root: string
  #count = 0

  /** `directory` must be empty, and is used by no other test. */
  constructor (directory: string) {
    this.#directory = directory
    this.root = this.#path('root.pem')
    writeFileSync(this.#path('index.txt'), '')
    this.#configure('')
    this.selfSigned('root')
    this.#sign('between', 'between', -1, 365, 'root')
  }

  /** Returns nginx directives that serve a certificate of this authority. */
  certificate (options: CertificateOptions = {}): string {
    const { chain, key } = this.files(options)
    return `ssl_certificate ${chain}; ssl_certificate_key ${key};`
  }

  /** Creates a certificate and returns its path and the path of its key. */
  files (options: CertificateOptions = {}): { readonly chain: string, readonly key: string } {
    const { names = 'DNS:localhost,IP:127.0.0.1', from = -1, to = 365, alone = false } = options
    this.#count += 1
    const name = `leaf${this.#count}`
    this.#configure(names)
    this.#sign(name, 'leaf', from, to, 'between')
    const chain = [name, ...alone ? [] : ['between']].map(one => readFileSync(this.#path(`${one}.pem`), 'utf8'))
    writeFileSync(this.#path(`${name}.chain.pem`), chain.join('\n'))
    return { chain: this.#path(`${name}.chain.pem`), key: this.#path(`${name}.key`) }
  }

  /** Returns nginx directives that serve a self-signed certificate. */
  selfSigned (name = 'alone'): string {
    this.#openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650',
      '-subj', `/CN=${name}`, '-keyout', this.#path(`${name}.key`), '-out', this.#path(`${name}.pem`))
    return `ssl_certificate ${this.#path(`${name}.pem`)}; ssl_certificate_key ${this.#path(`${name}.key`)};`
  }

  #sign (name: string, extensions: 'leaf' | 'between', from: number, to: number, by: string): void {
    this.#openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`,
      '-keyout', this.#path(`${name}.key`), '-out', this.#path(`${name}.csr`))
    this.#openssl('ca', '-batch', '-notext', '-config', this.#path('openssl.cnf'), '-extensions', extensions,
      '-startdate', time(from), '-enddate', time(to), '-cert', this.#path(`${by}.pem`), '-keyfile', this.#path(`${by}.key`),
      '-in', this.#path(`${name}.csr`), '-out', this.#path(`${name}.pem`))
  }

  #configure (names: string): void {
    writeFileSync(this.#path('openssl.cnf'), `
      [ca]
      default_ca = own
      [own]
      database = ${this.#path('index.txt')}
      new_certs_dir = ${this.#directory}
      rand_serial = yes
      unique_subject = no
      default_md = sha256
      policy = any
      [any]
      commonName = supplied
      [leaf]
      ${names === '' ? '' : `subjectAltName = ${names}`}
      [between]
      basicConstraints = critical, CA:true
    `)
  }

  #path (name: string): string {
    return join(this.#directory, name)
  }

  #openssl (...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' })
  }
}

function time (days: number): string {
  return `${new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
}
