// The reserved region: one page of the shared memory per kernel. Offsets from its start. TypeScript fills in all but
// PREPARED (kernel-simd.ts has the same numbers).
//
//        0   8,192   split-nibble tables of all 256 coefficients, 32 bytes each
//    8,192   1,024   coefficients, row by row
//    9,216   4,096   tables of the rows in work, in the order in which the inner loop reads them
//   13,312     128   addresses of the inputs
//   13,440     128   addresses of the outputs
//   16,384  49,152   scratch of `verify`
export const TABLES: usize = 0
export const COEFFICIENTS: usize = 8192
export const PREPARED: usize = 9216
export const INPUTS: usize = 13312
export const OUTPUTS: usize = 13440
