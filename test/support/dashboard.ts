import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { build, repositoryRoot } from './program'

const folder = join(repositoryRoot, 'server', 'dist', 'dashboard')

/** The built dashboard, which is built now if a source changed. */
export function builtDashboard(): string {
  build()
  if (!existsSync(join(folder, 'index.html'))) throw new Error('npm run build made no dashboard')
  return folder
}

export interface Tab {
  readonly page: Page
  /** What the browser reports: violations of the policy, errors nobody caught. Empties it. */
  complaints(): string[]
  close(): Promise<void>
}

/** A browser profile of its own with one tab, which reports everything that a browser complains of. */
export async function openTab(
  browser: Browser,
  options: { readonly width?: number; readonly colorScheme?: 'light' | 'dark' } = {},
): Promise<Tab> {
  const { width = 1_280, colorScheme = 'light' } = options
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme })
  const page = await context.newPage()
  let complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    const text = message.text()
    // Answers that a page expects (not logged in, wrong password, mediator away) are reported by the browser as well.
    const isExpected = text.startsWith('Failed to load resource') || text.startsWith('WebSocket connection to')
    if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(text)
  })
  return {
    page,
    complaints() {
      const taken = complaints
      complaints = []
      return taken
    },
    close: () => context.close(),
  }
}
