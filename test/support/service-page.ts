import type { Browser, Page } from 'playwright-core'

/** The page of a generated service, as somebody uses it. What the browser complains about is kept. */
export interface ServicePage {
  readonly page: Page
  readonly complaints: readonly string[]
  /** Fills the form in and presses the button. */
  say(wish: {
    readonly verb: string
    readonly to: string
    readonly action?: string
    readonly body?: string
  }): Promise<void>
  /** Resolves when this text is in its log. */
  logged(text: string): Promise<void>
  /** Resolves when the status line says this. */
  status(text: string): Promise<void>
  /** Resolves when all of these are shown as there. */
  peers(...names: string[]): Promise<void>
}

export async function openServicePage(browser: Browser, url: string): Promise<ServicePage> {
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(url)
  return {
    page,
    complaints,
    async say({ verb, to, action, body }) {
      await page.getByLabel('How').selectOption(verb)
      await page.getByLabel('To', { exact: true }).fill(to)
      if (action !== undefined) await page.getByLabel('Action').fill(action)
      if (body !== undefined) await page.getByLabel('Body').fill(body)
      await page.getByRole('button', { name: 'Go' }).click()
    },
    logged: (text) => page.locator('#log li', { hasText: text }).first().waitFor(),
    status: (text) => page.locator('#status', { hasText: text }).waitFor(),
    async peers(...names) {
      for (const name of names) await page.locator('#peers li', { hasText: name }).waitFor()
    },
  }
}
