// GetObjectTagging. No object can have a tag: whatever would give it one is NotImplemented. So the empty set is the true answer,
// and `aws s3 cp` asks for it before it copies an object in parts.
import type { Handler } from '../handler.ts'
import { document, XML_TYPE } from '../xml-write.ts'
import { addressOf } from './get-object.ts'

export const getObjectTagging: Handler = async (request, { engine }) => {
  await engine.objects.head(addressOf(request))
  return {
    status: 200,
    headers: [['content-type', XML_TYPE]],
    body: document('Tagging', '<TagSet></TagSet>'),
  }
}
