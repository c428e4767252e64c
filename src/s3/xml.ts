// XML from outside, as handlers see it: a plain tree of names, children and text, never an object whose keys the client
// chose. What is not such a document, or is larger than it may be, is `MalformedXML`: a bound is not told apart from a mistake.
import { type MoraineError, refusal } from '../base/errors.ts'

export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlElement[]
  /** Its own character data, references resolved; not its children's. */
  readonly text: string
}

export const malformedXml = (): MoraineError =>
  refusal(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  )

/** The children of that name, in order. */
export const childrenOf = (parent: XmlElement, name: string): readonly XmlElement[] =>
  parent.children.filter((child) => child.name === name)

/** The one child of that name; `MalformedXML` when there are several, which two readers would read differently. */
export const childOf = (parent: XmlElement, name: string): XmlElement | undefined => {
  const found = childrenOf(parent, name)
  if (found.length > 1) throw malformedXml()
  return found[0]
}

/** Text of the one child of that name, which must hold nothing else. */
export const childText = (parent: XmlElement, name: string): string | undefined => {
  const child = childOf(parent, name)
  if (child !== undefined && child.children.length > 0) throw malformedXml()
  return child?.text
}
