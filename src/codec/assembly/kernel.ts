// The kernel for engines with SIMD128.
export { multiply } from './multiply'
export { recoverTwo } from './raid6'
