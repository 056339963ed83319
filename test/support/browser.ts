/** A real browser: Debian's Chromium, driven by Playwright. */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core'
import type { Test } from 'tap'

/** Only ends waits for what never happens. Says nothing about speed. */
const timeout = 120_000

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** The reason to skip, or false. In CI a missing browser fails the test. */
export const withoutBrowser = existsSync(executablePath) || process.env.CI !== undefined
  ? false
  : `there is no Chromium at ${executablePath}: apt-get install chromium, or set CHROMIUM_PATH`

/** Starts a browser. It is closed at the test's end. */
export async function launch (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'], timeout })
  t.teardown(async () => { await browser.close() })
  return browser
}

/** Opens a browser context with its own cookies. */
export async function person (browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(timeout)
  return context
}
