// Parsing XML from outside. The parser sees only documents that are small, valid UTF-8, without DTD, with short tags and
// known references, and well formed. Anything else is `MalformedXML`.
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { KiB } from '../base/units.ts'
import { malformedXml, type XmlElement } from './xml.ts'

/** S3's documents are four deep. */
const DEPTH_MAX = 8
/** The largest legal document lists 10,000 parts, each with three elements: 80,002 tags. */
const TAGS_MAX = 120_000
/** S3's longest tag is one with a namespace; CDATA sections hold a key at most. */
const TAG_CHARS_MAX = 8 * KiB

const TEXT = '#text'
const CDATA = '#cdata'

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  maxNestedTags: DEPTH_MAX,
  textNodeName: TEXT,
  cdataPropName: CDATA,
})

const decoder = new TextDecoder('utf-8', { fatal: true })

const NAMED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

/** A reference to a character that a key may hold; U+0000 is as S3 writes it, though XML has no such character. */
const resolveNumber = (digits: string, radix: number): string => {
  const code = digits.length > 8 ? Number.NaN : Number.parseInt(digits, radix)
  if (!(code >= 0 && code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) throw malformedXml()
  return String.fromCodePoint(code)
}

const resolveReferences = (text: string): string => {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#x([0-9a-fA-F]+);|#([0-9]+);|([a-z]+);)?/g, (_, hex, decimal, name) => {
    if (hex !== undefined) return resolveNumber(hex as string, 16)
    if (decimal !== undefined) return resolveNumber(decimal as string, 10)
    const character = NAMED.get(name as string)
    if (character === undefined) throw malformedXml()
    return character
  })
}

/** What the parser must never see: a DTD, very many tags, a tag as long as a book, another encoding, a tail of text. */
const checkBounds = (text: string): void => {
  if (!text.trimEnd().endsWith('>')) throw malformedXml()
  if (text.includes('<!DOCTYPE') || text.includes('<!ENTITY') || text.includes('\u0000')) throw malformedXml()
  let tags = 0
  for (let open = text.indexOf('<'); open >= 0; open = text.indexOf('<', open + 1)) {
    if (++tags > TAGS_MAX) throw malformedXml()
    const close = text.indexOf('>', open)
    if (close < 0 || close - open > TAG_CHARS_MAX) throw malformedXml()
  }
  const encoding = /^<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']/.exec(text.slice(0, 256))?.[1]
  if (encoding !== undefined && !/^(utf-8|us-ascii)$/i.test(encoding)) throw malformedXml()
}

type Node = Readonly<Record<string, unknown>>

const characters = (node: Node, kind: string): string => {
  const value = node[kind]
  return typeof value === 'string' ? value : ''
}

const toElement = (name: string, nodes: readonly Node[]): XmlElement => {
  const children: XmlElement[] = []
  let text = ''
  for (const node of nodes) {
    const [tag] = Object.keys(node)
    if (tag === undefined) continue
    if (tag === TEXT) text += resolveReferences(characters(node, TEXT))
    else if (tag === CDATA) for (const part of node[CDATA] as Node[]) text += characters(part, TEXT)
    else children.push(toElement(tag, node[tag] as Node[]))
  }
  return { name, children, text }
}

/** The root element of a document. Throws `MalformedXML`. */
export const parseXml = (bytes: Uint8Array): XmlElement => {
  let text: string
  let nodes: Node[]
  try {
    text = decoder.decode(bytes)
    checkBounds(text)
    if (XMLValidator.validate(text) !== true) throw malformedXml()
    nodes = parser.parse(text) as Node[]
  } catch {
    // Whatever the parser says of it, the document is not one.
    throw malformedXml()
  }
  const roots = nodes.filter((node) => !(TEXT in node))
  const [root] = roots
  const [name] = root === undefined ? [] : Object.keys(root)
  if (root === undefined || name === undefined || roots.length > 1 || name === CDATA) throw malformedXml()
  return toElement(name, root[name] as Node[])
}
