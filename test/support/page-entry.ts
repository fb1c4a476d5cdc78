import * as sealway from '../../client-lib/src/browser/index'
import { checkVectors } from '../client/browser/check-vectors'

/** What tests reach in a page: the browser edition as users have it, the check of the vectors, and room for their own. */
Object.assign(globalThis, { sealway, checkVectors, own: undefined, states: [] })
