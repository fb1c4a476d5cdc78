import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { defineConfig } from 'vite'

const outDir = fileURLToPath(new URL('../server/dist/dashboard', import.meta.url))

/** Every file once more as brotli and gzip, so that the mediator compresses nothing. */
const packed = {
  name: 'packed',
  writeBundle() {
    // The Open Font License travels with the font.
    const { resolve } = createRequire(import.meta.url)
    copyFileSync(resolve('@fontsource-variable/inter/LICENSE'), join(outDir, 'assets', 'inter-LICENSE.txt'))
    for (const entry of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name.endsWith('.woff2')) continue
      const path = join(entry.parentPath, entry.name)
      const bytes = readFileSync(path)
      const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
      writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }))
      writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
    }
  },
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  logLevel: 'warn',
  build: {
    outDir,
    emptyOutDir: true,
    target: ['chrome123', 'firefox128', 'safari17.5'],
    // The policy allows no data: and no script that is written into the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // How long a plugin took on a busy machine is no news for whoever starts a mediator.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
  plugins: [packed],
})
