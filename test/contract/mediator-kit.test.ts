import { KitWorld } from '../support/kit.js'
import { describeMediator } from './mediator.js'

describeMediator('the mediator of the test kit', (limits) => new KitWorld(limits))
