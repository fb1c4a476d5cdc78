import { bundleForPage } from '../../support/page-bundle'

describe('the bundle of the browser edition', () => {
  it('is under 45 KiB minified and compressed, with socket.io-client', async () => {
    const { gzipBytes, inputs } = await bundleForPage('client-lib/src/browser/index.ts')
    expect(inputs.some((path) => path.includes('node_modules/socket.io-client/'))).toBe(true)
    expect(gzipBytes / 1024).toBeLessThan(45)
  })

  it('names neither a module nor a global of Node', async () => {
    const { code } = await bundleForPage('client-lib/src/browser/index.ts')
    expect(code.match(/["']node:[a-z]+|\bBuffer\b|\bprocess\.|\brequire\(|\b__dirname\b|\bsetImmediate\b/g)).toBeNull()
  })
})
