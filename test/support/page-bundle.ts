import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = join(__dirname, '../..')

/** Packages of ours from their sources: a test needs no build. */
export const pageAliases = {
  '@sealway/client/browser': join(root, 'client-lib/src/browser/index.ts'),
  '@sealway/protocol': join(root, 'protocol/src/index.ts'),
}

/** A script for a page, from sources: as a bundler makes it of the package, minified. */
export async function bundleForPage(entry: string): Promise<{ code: string; gzipBytes: number; inputs: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, entry)],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
    absWorkingDir: root,
    logLevel: 'silent',
    alias: pageAliases,
  })
  const code = outputFiles[0]!.text
  return { code, gzipBytes: gzipSync(code, { level: 9 }).length, inputs: Object.keys(metafile.inputs) }
}
