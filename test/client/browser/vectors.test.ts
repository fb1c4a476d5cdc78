import { clientVectors } from '../../support/vectors'
import { checkVectors } from './check-vectors'

it('the browser edition agrees with every vector of the protocol, byte for byte', async () => {
  const { wrong, checked } = await checkVectors(clientVectors())
  expect(wrong).toEqual([])
  expect(checked).toBeGreaterThan(300)
})

it('the check notices a vector that is wrong', async () => {
  const vectors = clientVectors()
  const [first, ...others] = vectors.sealed.positive
  const bent = { ...first!, sealed: first!.sealed.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) }
  const { wrong } = await checkVectors({ ...vectors, sealed: { ...vectors.sealed, positive: [bent, ...others] } })
  expect(wrong.length).toBeGreaterThan(0)
})
