// XML bodies of requests, whole and parsed, each within its bound.
import { KiB, MiB } from '../base/units.ts'
import type { RequestBody } from './exchange.ts'
import { malformedXml, type XmlElement } from './xml.ts'

/** Of any XML body without its own bound. */
export const XML_BYTES_MAX = 1 * MiB
/** 1,000 keys of 1,024 bytes, escaped and with version ids. */
export const DELETE_BYTES_MAX = 2 * MiB
/** 10,000 parts with ETag and checksum. */
export const COMPLETE_BYTES_MAX = 2_560 * KiB

/** The whole body, parsed: its root must be `root`. Throws `MalformedXML`, past `bytesMax` too. */
export const readXml = async (
  body: RequestBody,
  { root, bytesMax }: { root: string; bytesMax: number },
): Promise<{ bytes: Uint8Array; element: XmlElement }> => {
  if (body.size !== undefined && body.size > bytesMax) throw malformedXml()
  const bytes = await body.whole(bytesMax)
  // The parser is loaded with the first document: most stores serve many requests before, or never see one.
  const { parseXml } = await import('./xml-parse.ts')
  const element = parseXml(bytes)
  if (element.name !== root) throw malformedXml()
  return { bytes, element }
}
