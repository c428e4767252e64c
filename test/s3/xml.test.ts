import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { childOf, childrenOf, childText } from '../../src/s3/xml.ts'
import { parseXml } from '../../src/s3/xml-parse.ts'
import { document, element, escapeXml, httpTime, isoTime, listedForm } from '../../src/s3/xml-write.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('xml')
const parse = (text: string) => parseXml(Buffer.from(text))

test('a document is names, children and text', () => {
  const root = parse(
    '<?xml version="1.0" encoding="UTF-8"?>\n<a xmlns="x"> <b>1</b><!-- no --><b>2</b>\n<c/></a>\n',
  )
  assert.is(root.name, 'a')
  assert.equal(
    childrenOf(root, 'b').map(({ text }) => text),
    ['1', '2'],
  )
  assert.is(childText(root, 'c'), '')
  assert.is(childText(root, 'd'), undefined)
})

test('references and CDATA are resolved once', () => {
  assert.is(parse('<a>&lt;&amp;lt;&gt;&quot;&apos;&#65;&#x1F600;</a>').text, '<&lt;>"\'A\u{1F600}')
  assert.is(parse('<a>x<![CDATA[<&amp;>]]>y</a>').text, 'x<&amp;>y')
  assert.is(parse('<a> spaces stay </a>').text, ' spaces stay ')
})

test('what two readers could read differently is refused', async () => {
  await rejectsWith('MalformedXML', () => childText(parse('<a><b>1</b><b>2</b></a>'), 'b'))
  await rejectsWith('MalformedXML', () => childOf(parse('<a><b>1</b><b>2</b></a>'), 'b'))
  await rejectsWith('MalformedXML', () => childText(parse('<a><b>1<c/></b></a>'), 'b'))
})

test('what is no document is refused', async () => {
  const wrong = [
    '',
    ' ',
    'x',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<a/>x',
    'x<a/>',
    '<a b/>',
    '<a>&x;</a>',
    '<a>&</a>',
  ]
  wrong.push(
    '<a>&#xD800;</a>',
    '<a>&#x110000;</a>',
    '<a>&#99999999999;</a>',
    '<!DOCTYPE a><a/>',
    '<a>\u0000</a>',
  )
  wrong.push('<?xml version="1.0" encoding="UTF-16"?><a/>', '<__proto__>1</__proto__><b/>')
  for (const text of wrong) await rejectsWith('MalformedXML', () => parse(text))
  await rejectsWith('MalformedXML', () =>
    parseXml(Uint8Array.of(0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e)),
  )
  await rejectsWith('MalformedXML', () => parseXml(Buffer.from('<a/>', 'utf16le')))
  assert.is(parse('\uFEFF<a/>').name, 'a')
})

test('any text that XML can carry comes back from what is written', () => {
  const carried = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\u0000', ''))
  fc.assert(
    fc.property(carried, (text) => {
      assert.is(childText(parse(document('a', element('b', text))), 'b'), text)
    }),
    { numRuns: 300 },
  )
})

test('control characters are references, a lone surrogate is the replacement character', () => {
  assert.is(escapeXml('a\u0001\r\uFFFF<&>"\''), 'a&#x1;&#xd;&#xffff;&lt;&amp;&gt;&quot;&#39;')
  assert.is(escapeXml('a\uD800b\u{1F600}'), 'a\uFFFDb\u{1F600}')
  assert.is(escapeXml('tab\tand\nline'), 'tab\tand\nline')
})

test('the url form is percent-encoded UTF-8 that keeps slashes', () => {
  const form = listedForm('url')
  assert.is(form("a/b c+d*(e)'!~"), 'a/b%20c%2Bd%2A%28e%29%27%21~')
  assert.is(form('é\u0001'), '%C3%A9%01')
  assert.is(listedForm(undefined)('a b'), 'a b')
  assert.is(decodeURIComponent(form('%2F%')), '%2F%')
})

test('times are whole seconds', () => {
  assert.is(isoTime(Date.UTC(2009, 9, 12, 17, 50, 30, 999)), '2009-10-12T17:50:30.000Z')
  assert.is(isoTime(Date.UTC(2026, 0, 1)), '2026-01-01T00:00:00.000Z')
  assert.is(httpTime(Date.UTC(2009, 9, 12, 17, 50, 30, 999)), 'Mon, 12 Oct 2009 17:50:30 GMT')
})

test.run()
