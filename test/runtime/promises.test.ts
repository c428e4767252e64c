import { suite } from '../support/uvu.ts'
import { promises } from './promises.ts'
import { onManyThreads, onOneThread, underSeed } from './world.ts'

const one = suite('promises, on one thread')
promises(onOneThread(one))
one.run()

const many = suite('promises, every actor on a thread of its own')
promises(onManyThreads(many))
many.run()

const seed = suite('promises, under a seeded scheduler')
promises(underSeed(seed))
seed.run()
