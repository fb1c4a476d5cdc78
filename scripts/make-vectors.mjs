#!/usr/bin/env node
// Writes protocol/vectors/*.json, with fixed randomness: node scripts/make-vectors.mjs
// With --check it writes nothing, and exits 1 where a file says something else.
// Imports nothing of the sources, so that vectors are a second opinion and not an echo.
import { readFileSync, writeFileSync } from 'node:fs'
import { bundles } from './samples/bundles.mjs'
import { frames } from './samples/frames.mjs'
import { receipts } from './samples/receipts.mjs'
import { sealed } from './samples/sealed.mjs'
import { streams } from './samples/streams.mjs'

const check = process.argv.includes('--check')
for (const [name, make] of Object.entries({ frames, sealed, bundles, receipts, streams })) {
  const path = new URL(`../protocol/vectors/${name}.json`, import.meta.url)
  const text = `${JSON.stringify(make(), null, 1)}\n`
  if (!check) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`protocol/vectors/${name}.json is not what scripts/make-vectors.mjs makes`)
    process.exitCode = 1
  }
}
