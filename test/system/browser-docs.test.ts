import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { mintedBy } from '../../client-lib/src/session/token'
import { openBrowser } from '../support/chromium'
import { Formation } from '../support/formation'
import { fences } from '../support/markdown'
import { pageAliases } from '../support/page-bundle'
import { servePage } from '../support/page-server'

const root = join(__dirname, '../..')
const snippet = fences(readFileSync(join(root, 'docs/browser.md'), 'utf8')).find(({ code }) =>
  code.startsWith('import'),
)!

it('docs/browser.md shows a page that works', async () => {
  const formation = await Formation.start()
  const browser = await openBrowser()
  try {
    const { outputFiles } = await build({
      stdin: { contents: snippet.code.replace('wss://mediator.example', formation.url('ws')), resolveDir: root },
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      write: false,
      alias: pageAliases,
    })
    const server = await servePage(
      {
        '/index.html': `<input id="key" value="${formation.key}"><p id="news"></p><p id="order"></p><script type="module" src="/page.js"></script>`,
        '/page.js': outputFiles[0]!.text,
        '/token': mintedBy(formation.started.jwtSecret, 'page-1', Date.now)(),
      },
      formation.url('ws'),
    )
    const orders = await formation.join('orders-1', 'tcp', { groups: ['web'] })
    orders.on<{ item: number }>('order', ({ body }) => ({ id: body.item * 100 }))
    const page = await browser.newPage()
    await page.goto(server.url)
    await page.getByText('ordered: 700').waitFor()
    await orders.send('page-1', 'news', 'it is on its way')
    await page.getByText('orders-1: it is on its way').waitFor()
    await server.close()
  } finally {
    await browser.close()
    await formation.close()
  }
})
