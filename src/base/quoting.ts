// Names that clients choose, in what people read: whatever is in them, one line, and no two that look the same. A plain name stands
// as it is; any other is in quotes, which no plain one has, with what a terminal acts on, or shows as nothing, by its number.

const PLAIN = /^[\p{L}\p{N}!#$%&'()*+,./:;=?@[\]^_{}~-]+$/u
/** What JSON leaves as it is: DEL and C1, separators, marks of direction, the BOM. */
const HIDDEN = /[\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

const numberOf = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

export const quoteName = (name: string): string =>
  PLAIN.test(name) ? name : JSON.stringify(name).replace(HIDDEN, numberOf)
