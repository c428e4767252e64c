// 39: documents made to cost more than they weigh. All are MalformedXML, in bounded time and memory.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { MiB } from '../../src/base/units.ts'
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 39')

const laughs = (): string => {
  let entities = '<!ENTITY a0 "ha">'
  for (let i = 1; i < 30; i++) entities += `<!ENTITY a${i} "&a${i - 1};&a${i - 1};">`
  return `<!DOCTYPE Delete [${entities}]><Delete><Object><Key>&a29;</Key></Object></Delete>`
}
const wrap = (content: string): string => `<Delete><Object><Key>k</Key></Object>${content}</Delete>`

const EVIL: Readonly<Record<string, string | Uint8Array>> = {
  'billion laughs': laughs(),
  'an external entity':
    '<!DOCTYPE Delete [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
  'a parameter entity': '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1/"> %x;]><Delete/>',
  'an undeclared entity': wrap('<x>&nbsp;</x>'),
  'depth 10,000': wrap('<a>'.repeat(10_000) + '</a>'.repeat(10_000)),
  'depth 10,000, never closed': '<Delete>'.repeat(10_000),
  '400,000 siblings': wrap('<a/>'.repeat(400_000)),
  'only opening brackets': '<'.repeat(1_000_000),
  'only ampersands': `<Delete>${'&'.repeat(1_000_000)}</Delete>`,
  'a tag as long as a book': `<Delete ${'a="b" '.repeat(100_000)}/>`,
  'UTF-16': Buffer.from(wrap(''), 'utf16le'),
  'UTF-16 with its mark': Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(wrap(''), 'utf16le')]),
  'UTF-8 that is none': Buffer.concat([Buffer.from('<Delete><Object><Key>'), Buffer.from([0xc0, 0xaf])]),
  'another root': '<Remove><Object><Key>k</Key></Object></Remove>',
  'a prefixed root': '<s3:Delete xmlns:s3="x"><s3:Object><s3:Key>k</s3:Key></s3:Object></s3:Delete>',
  'two keys in one object': '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>',
  'a key with children': '<Delete><Object><Key>a<b>c</b></Key></Object></Delete>',
  'two documents': `${wrap('')}${wrap('')}`,
  'names that are properties': '<Delete><Object><__proto__><Key>k</Key></__proto__></Object></Delete>',
  'more than its bytes': wrap(' '.repeat(2 * MiB)),
}

for (const [name, body] of Object.entries(EVIL)) {
  test(
    `${name}: MalformedXML`,
    deadline(10_000, async () => {
      const { send } = await createExchange()
      await send('PUT /bucket/k', { body: 'x' })
      const digest = createHash('md5').update(body).digest('base64')
      const answer = await send('POST /bucket?delete', { body, headers: { 'content-md5': digest } })
      assert.equal([answer.status, answer.code], [400, 'MalformedXML'])
      assert.is((await send('GET /bucket/k')).text, 'x', 'nothing was deleted')
      const begun = await send('POST /bucket/m?uploads')
      const upload = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
      assert.is((await send(`POST /bucket/m?uploadId=${upload}`, { body })).code, 'MalformedXML')
      assert.is((await send('PUT /new-bucket', { body })).code, 'MalformedXML')
    }),
  )
}

test(
  'what only looks strange is read as what it is',
  deadline(5_000, async () => {
    for (const body of [
      `\uFEFF${wrap('')}`,
      `<?xml version="1.0" encoding="UTF-8"?>\n<!-- <Key>other</Key> -->\n${wrap('')}`,
      '<Delete xmlns="urn:anything"><Object xmlns="urn:other"><Key><![CDATA[k]]></Key></Object></Delete>',
      '<Delete><Object><Key>&#107;</Key><VersionId>null</VersionId></Object></Delete>',
    ]) {
      const { send } = await createExchange()
      for (const key of ['k', 'other']) await send(`PUT /bucket/${key}`, { body: 'x' })
      const digest = createHash('md5').update(body).digest('base64')
      const answer = await send('POST /bucket?delete', { body, headers: { 'content-md5': digest } })
      assert.is(answer.status, 200, body)
      assert.is((await send('GET /bucket/k')).status, 404, body)
      assert.is((await send('GET /bucket/other')).status, 200, body)
    }
  }),
)

test(
  'a body larger than its bound is refused by its length, unread',
  deadline(3_000, async () => {
    const { send } = await createExchange()
    const huge = { body: wrap(''), size: 2 ** 30 }
    assert.is((await send('POST /bucket?delete', huge)).code, 'MalformedXML')
    assert.is((await send('PUT /new-bucket', huge)).code, 'MalformedXML')
  }),
)

test(
  'the largest documents that are legal are read',
  deadline(10_000, async () => {
    const { send } = await createExchange()
    const keys = Array.from(
      { length: 1_000 },
      (_, i) => `<Object><Key>${'k'.repeat(1_020)}${i}</Key></Object>`,
    )
    const body = `<Delete>${keys.join('')}</Delete>`
    const digest = createHash('md5').update(body).digest('base64')
    assert.is((await send('POST /bucket?delete', { body, headers: { 'content-md5': digest } })).status, 200)
    const begun = await send('POST /bucket/m?uploads')
    const upload = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
    const parts = Array.from(
      { length: 10_000 },
      (_, i) =>
        `<Part><ETag>&quot;${'a'.repeat(32)}&quot;</ETag><ChecksumSHA256>${'A'.repeat(43)}=</ChecksumSHA256><PartNumber>${i + 1}</PartNumber></Part>`,
    )
    const list = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`
    assert.is((await send(`POST /bucket/m?uploadId=${upload}`, { body: list })).code, 'InvalidPart')
  }),
)

test.run()
