/** The layout of every page, and its response headers. */
import { Html, html } from './html.js'
import { style, styleSource } from './style.js'

export interface Page {
  readonly title: string
  /** The host of this server. */
  readonly place: string
  readonly content: Html
  /** A note at the end of the page. */
  readonly footer?: string
}

const lock = html`<svg
  viewBox="0 0 20 20"
  fill="none"
  stroke="currentColor"
  stroke-width="1.6"
  stroke-linecap="round"
  stroke-linejoin="round"
  aria-hidden="true"
>
  <rect x="4" y="9" width="12" height="8" rx="2" />
  <path d="M7 9V6.5a3 3 0 0 1 6 0V9" />
</svg>`

/** The whole document. It has no scripts and loads nothing. */
export function pageHtml ({ title, place, content, footer }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · ${place}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
<p class="place">${lock}<span>${place}</span></p>
${content}
</main>
${footer === undefined ? undefined : html`<footer>${footer}</footer>\n`}</body>
</html>
`.text
}

/**
 * The headers of a page. They forbid scripts, external resources, framing, caching and referrers.
 * `formActions` lists the origins besides this server to which its form, or the redirect after it, may lead.
 * There is no `Cross-Origin-Opener-Policy`, because hosts open the page in a window and wait for its
 * redirect.
 */
export function pageHeaders (formActions: readonly string[] = []): Readonly<Record<string, string>> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': `default-src 'none'; style-src ${styleSource}; form-action ` +
      `${["'self'", ...formActions].join(' ')}; frame-ancestors 'none'; base-uri 'none'`,
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-robots-tag': 'noindex',
    'permissions-policy': 'publickey-credentials-get=(), camera=(), microphone=(), geolocation=()'
  }
}
