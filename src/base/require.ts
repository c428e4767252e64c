// CommonJS packages, required: to import one, Node first searches its text for the names that it exports, with a search that is slow
// until the engine has compiled it. Of a start's time that took more than all the rest of the packages.
import { createRequire } from 'node:module'

export const require = createRequire(import.meta.url)
