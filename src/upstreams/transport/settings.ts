/** The options of an upstream that its transport needs. */
export interface TransportSettings {
  readonly type: 'stdio' | 'http' | 'sse'
  readonly command?: string | undefined
  readonly args?: readonly string[] | undefined
  /** Variables of the process, in addition to `PATH`, `HOME`, `LANG` and `TMPDIR`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
  readonly url?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * For `share: "caller"` over HTTP: name of a header with the id of the caller. Never contains a credential.
   */
  readonly identityHeader?: string | undefined
}
