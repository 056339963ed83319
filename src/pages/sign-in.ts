/** The pages of the OAuth sign-in: enter a key, approve or deny, errors. */
import { Html, html } from './html.js'
import { pageHtml } from './page.js'

/** The requesting client, as shown to the user. */
export interface ClientView {
  readonly name: string
  /** Who vouches for the client: the host of its metadata document, the operator, or nobody. */
  readonly identity:
    | { readonly kind: 'host'; readonly host: string }
    | { readonly kind: 'operator' }
    | { readonly kind: 'nobody' }
  /** Where the browser is redirected afterwards: a site, a program on this computer, or an app. */
  readonly target: { readonly kind: 'site' | 'computer' | 'app'; readonly name: string }
  readonly redirectUri: string
  /** True if any program on this computer could pose as the client. */
  readonly isLoopbackOnly: boolean
}

export interface SignInView {
  readonly place: string
  /** The URL that the form is sent to. */
  readonly action: string
  readonly client: ClientView
  readonly handle: string
}

export interface KeyFormView extends SignInView {
  /** The requested scopes. Empty: those of the key. */
  readonly scopes: readonly string[]
  /** The problem with the last attempt. */
  readonly problem?: string | undefined
}

export interface ConsentView extends SignInView {
  /** The owner of the key. */
  readonly owner: string
  /** The name of the key. */
  readonly keyName: string
  readonly isAdmin: boolean
  readonly scopes: readonly string[]
  /** Requested scopes that the key does not have. */
  readonly missing: readonly string[]
  readonly tools: number
  /** When the key expires, in milliseconds since the epoch. Left out: never. */
  readonly endsAt?: number | undefined
}

export function keyPage ({ place, action, client, handle, scopes, problem }: KeyFormView): string {
  const content = html`<h1>Connect ${client.name}</h1>
    <p class="lead">
      <strong>${client.name}</strong>${tagOf(client)} asks to use this server on your behalf. To continue,
      enter an API key of this server.
    </p>
    <dl>
      ${identityRow(client)} ${targetRow(client)}
      <div>
        <dt>It asks for</dt>
        <dd>${scopes.length === 0 ? 'everything that your key may do' : scopeList(scopes)}</dd>
      </div>
    </dl>
    ${loopbackNote(client)}
    ${problem === undefined ? undefined : html`<p class="note bad" role="alert" id="problem">${problem}</p>`}
    <form method="post" action="${action}">
      <input type="hidden" name="handle" value="${handle}" />
      <input
        class="away"
        type="text"
        name="username"
        value="${place}"
        autocomplete="username"
        tabindex="-1"
        aria-hidden="true"
        readonly
      />
      <label for="key">API key</label>
      <input
        type="password"
        id="key"
        name="key"
        required
        autofocus
        autocomplete="current-password"
        autocapitalize="none"
        spellcheck="false"
        maxlength="8192"
        ${problem === undefined ? undefined : html` aria-invalid="true"`}
        aria-describedby="${problem === undefined ? 'hint' : 'problem hint'}"
      />
      <p class="hint" id="hint">The app never sees the key. You approve or deny on the next page.</p>
      <div class="actions">
        <button class="main" name="action" value="continue">Continue</button>
        <button name="action" value="deny" formnovalidate>Deny</button>
      </div>
    </form>`
  return pageHtml({
    title: `Connect ${client.name}`,
    place,
    content,
    footer: 'If you did not start this yourself, close this page. Nothing has been changed.'
  })
}

const administratorNote = html`<p class="note">
      <strong>This is an administrator's key.</strong>
      The app would be able to do everything that an administrator may do here.
    </p>`

function missingNote (missing: readonly string[]): ReturnType<typeof html> {
  return html`<small>It also asked for ${missing.join(', ')}, which your key does not have.</small>`
}

export function consentPage (view: ConsentView): string {
  const { place, action, client, handle, owner, keyName, isAdmin, scopes, missing, tools, endsAt } = view
  const content = html`<h1>Allow ${client.name}?</h1>
    <p class="lead">
      You are signed in as <strong>${owner}</strong>. If you approve,
      <strong>${client.name}</strong>${tagOf(client)} may act on your behalf.
    </p>
    ${isAdmin ? administratorNote : undefined}
    <dl>
      <div>
        <dt>Your key</dt>
        <dd>${keyName}</dd>
      </div>
      <div>
        <dt>It may use</dt>
        <dd>
          ${tools === 1 ? '1 tool' : `${tools} tools`}${scopes.length === 0 ? undefined : scopeList(scopes)}
          ${missing.length === 0 ? undefined : missingNote(missing)}
        </dd>
      </div>
      <div>
        <dt>Until</dt>
        <dd>
          ${endsAt === undefined ? 'it is revoked' : `${timeText(endsAt)}, when your key expires`}<small
            >or earlier, after 30 days without use</small
          >
        </dd>
      </div>
      ${identityRow(client)} ${targetRow(client)}
    </dl>
    ${loopbackNote(client)}
    <form method="post" action="${action}">
      <input type="hidden" name="handle" value="${handle}" />
      <div class="actions">
        <button class="main" name="action" value="approve">Approve</button>
        <button name="action" value="deny">Deny</button>
      </div>
    </form>`
  return pageHtml({
    title: `Allow ${client.name}?`,
    place,
    content,
    footer: 'The app gets access, but not the key. Access ends with the key, and can be revoked at any time.'
  })
}

/** A page with a message, at the end of the sign-in. */
export function noticePage (place: string, title: string, message: string): string {
  return pageHtml({ title, place, content: html`<h1>${title}</h1>\n<p class="lead">${message}</p>` })
}

function tagOf ({ identity }: ClientView): Html {
  return identity.kind === 'operator' ? html`` : html` <span class="tag">unverified name</span>`
}

function identityRow ({ identity }: ClientView): Html {
  switch (identity.kind) {
    case 'operator':
      return html`<div>
        <dt>The app</dt>
        <dd>was registered by the operator of this server</dd>
      </div>`
    case 'host':
      return html`<div>
        <dt>The app</dt>
        <dd>
          is described by <strong>${identity.host}</strong
          ><small>The address is verified. The app chose its name itself.</small>
        </dd>
      </div>`
    default:
      return html`<div>
        <dt>The app</dt>
        <dd>registered itself<small>Anyone can do that, with any name. Check where it sends you.</small></dd>
      </div>`
  }
}

function targetRow ({ target, redirectUri }: ClientView): Html {
  const name = {
    site: target.name,
    computer: 'a program on this computer',
    app: `an app on this device (${target.name})`
  }[target.kind]
  return html`<div><dt>Sends you to</dt><dd><strong>${name}</strong><small>${shortened(redirectUri)}</small></dd></div>`
}

function loopbackNote ({ isLoopbackOnly }: ClientView): Html | undefined {
  if (!isLoopbackOnly) return undefined
  return html`<p class="note">
    Any program on this computer can use this name. Continue only if you have just started this from an app
    that you trust.
  </p>`
}

function scopeList (scopes: readonly string[]): Html {
  return html`<ul class="scopes">${scopes.map(scope => html`<li>${scope}</li>`)}</ul>`
}

function shortened (text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}

function timeText (ms: number): string {
  const text = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(ms)
  return `${text} UTC`
}
