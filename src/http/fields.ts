// What a header field is made of, in requests and answers and behind chunks: RFC 9110, 5.

/** Of a regular expression: one token and nothing else. */
export const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
/** Names that are worth remembering: clients and handlers use few, over and over. */
export const NAMES_MAX = 1024

const NAME = new RegExp(`^${TOKEN}$`)
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/

export const isFieldName = (text: string): boolean => NAME.test(text)

/** One character per byte, and none that could end a line. */
export const isFieldValue = (text: string): boolean => !NO_VALUE.test(text)
