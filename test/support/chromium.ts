import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'
import { patienceMs } from './patience'

const run = promisify(execFile)
const installWithinMs = 15 * 60_000

/** Debian's, Fedora's, Homebrew's and Google's names for it. */
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const folders = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/bin',
  '/snap/bin',
  '/opt/homebrew/bin',
  '/Applications/Chromium.app/Contents/MacOS',
]

/** No sandbox: tests run as root in containers, and open only pages of their own. Nothing that calls out. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** TEST_CHROMIUM, or the first one that is installed. */
export function findChromium(): string | undefined {
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  return [process.env.TEST_CHROMIUM ?? '', ...candidates].find(isProgram)
}

const isProgram = (path: string): boolean => {
  try {
    if (path === '') return false
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A browser of the test's own: close it at its end. Installs Chromium where there is none and this is root's Debian. */
export async function openBrowser(say = (line: string) => console.error(line)): Promise<Browser> {
  const executablePath = findChromium() ?? (await install(say))
  const browser = await chromium.launch({ executablePath, args: flags, timeout: patienceMs })
  // Its own 30 s for each wait in a page would measure the machine.
  const newContext = browser.newContext.bind(browser)
  browser.newContext = async (options) => {
    const context = await newContext(options)
    context.setDefaultTimeout(patienceMs)
    return context
  }
  return browser
}

async function install(say: (line: string) => void): Promise<string> {
  const aptGet = folders.map((folder) => join(folder, 'apt-get')).find(isProgram)
  if (process.getuid?.() !== 0 || !aptGet || !existsSync('/etc/debian_version')) {
    throw new Error('these tests need Chromium: install the package chromium, or set TEST_CHROMIUM to its program')
  }
  say('test: no Chromium on this machine; installing chromium from the distribution (apt-get)')
  const options = {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: installWithinMs,
    maxBuffer: 64 * 1024 * 1024,
  }
  // Another worker of the same run may be installing it.
  const lock = ['-o', 'DPkg::Lock::Timeout=600']
  try {
    await run(aptGet, [...lock, 'update', '-q'], options)
    await run(aptGet, [...lock, 'install', '-y', '-q', '--no-install-recommends', 'chromium'], options)
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw new Error(`chromium could not be installed:\n${(stderr || message).trim().split('\n').slice(-5).join('\n')}`)
  }
  const path = findChromium()
  if (!path) throw new Error('chromium was installed, but its program is not to be found')
  return path
}
