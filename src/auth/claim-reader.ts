// Reads what a request claims: it has one claim, in its Authorization header or in its query, or none at all.
import type { WireRequest } from './canonical.ts'
import { argument, type Claim, createParsers, signatureVersion2 } from './claim.ts'
import { createHeaderClaims } from './claim-header.ts'
import { createQueryClaims } from './claim-query.ts'
import type { QueryParameter } from './encoding.ts'

/**
 * For a server of `region`: undefined when a request carries no credentials at all. Throws AWS's refusal for whatever is
 * wrong with the claim's form, scope or time; the signature itself is not looked at.
 */
export type ClaimReader = (
  request: WireRequest,
  parameters: readonly QueryParameter[],
  nowMs: number,
) => Claim | undefined

export const createClaimReader = (region: string): ClaimReader => {
  const parsers = createParsers(region)
  const headerClaim = createHeaderClaims(parsers)
  const queryClaim = createQueryClaims(parsers)
  return (request, parameters, nowMs) => {
    const authorization = request.headers.get('authorization')
    let query4 = false
    let query2 = false
    for (const { name } of parameters) {
      if (name === 'X-Amz-Algorithm' || name === 'X-Amz-Signature' || name === 'X-Amz-Credential')
        query4 = true
      else if (name === 'Signature' || name === 'AWSAccessKeyId') query2 = true
    }
    if (Number(authorization !== undefined) + Number(query4) + Number(query2) > 1) {
      throw argument(
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
        authorization ?? '',
      )
    }
    if (query2) throw signatureVersion2()
    if (authorization !== undefined) return headerClaim(request, parameters, authorization, nowMs)
    return query4 ? queryClaim(request, parameters, nowMs) : undefined
  }
}
