// The packages are ESM; this marks their CommonJS build as such, for Node and for TypeScript.
import { writeFileSync } from 'node:fs'

for (const folder of ['protocol', 'client-lib']) {
  writeFileSync(new URL(`../${folder}/dist/cjs/package.json`, import.meta.url), '{ "type": "commonjs" }\n')
}
