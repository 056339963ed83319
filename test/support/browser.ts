/** A real browser: Debian's Chromium, driven by Playwright. */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core'
import type { Test } from 'tap'

/** No measure of how fast a page is: an end for what never comes. */
const timeout = 120_000

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** The reason to skip, or false. Under CI a missing browser is a failure, not a reason. */
export const withoutBrowser = existsSync(executablePath) || process.env.CI !== undefined
  ? false
  : `there is no Chromium at ${executablePath}: apt-get install chromium, or set CHROMIUM_PATH`

/** Closed at the test's end. */
export async function launch (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'], timeout })
  t.teardown(async () => { await browser.close() })
  return browser
}

/** A browser of its own: no cookie of another. */
export async function person (browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(timeout)
  return context
}
