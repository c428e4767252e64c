// Waiting for several things at once.

/** As `Promise.all`, but settles only when each of them has: what follows a failure must not overtake what still runs. */
export const settleAll = async <T>(promises: readonly Promise<T>[]): Promise<T[]> => {
  const settled = await Promise.allSettled(promises)
  const failed = settled.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
  return settled.map((outcome) => (outcome as PromiseFulfilledResult<T>).value)
}
