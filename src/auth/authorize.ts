// Whether an identity may do what it asks. Today there is root, who may everything, and anyone else, who may nothing;
// policies will be evaluated here and nowhere else.
import { refusal } from '../base/errors.ts'
import type { Identity } from './identity.ts'

export interface Access {
  readonly identity: Identity
  /** As in `s3:GetObject`; empty where only the identity decides. */
  readonly action: string
  readonly bucket: string
  readonly key: string
}

export const mayAccess = ({ identity }: Access): boolean => identity.kind === 'root'

/** Throws `AccessDenied` unless `mayAccess`. */
export const authorize = (access: Access): void => {
  if (!mayAccess(access)) throw refusal('AccessDenied', 'Access Denied')
}
