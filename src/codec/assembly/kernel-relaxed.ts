// The kernel for engines that also have relaxed SIMD: a table look-up is one instruction instead of two.
export { multiply } from './multiply'
export { recoverTwo } from './raid6'
