// How often a campaign of the suite does what it does: a few times wherever somebody runs `npm test`, and in full in .ci/run,
// which has the time (MORAINE_CAMPAIGNS=1).

export const areFull = process.env['MORAINE_CAMPAIGNS'] === '1'

/** `few` of them, or `all`. */
export const roundsOf = (few: number, all: number): number => (areFull ? all : few)
