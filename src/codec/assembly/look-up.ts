// The one instruction in which the two SIMD kernels differ.

/** 16 entries of a table of 16. Indexes are below 16, where both instructions mean the same on every machine. */
export function lookUp(table: v128, nibbles: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, nibbles)
  return i8x16.swizzle(table, nibbles)
}
