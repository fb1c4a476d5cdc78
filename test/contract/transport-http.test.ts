import { dialled } from '../support/links.js'
import { transportContract } from './transport.js'

transportContract('http', () => dialled('http'))
