// A quarter of the seeds of the simulation: see campaign/part.ts.
import { campaignPart } from './campaign/part.ts'

campaignPart(3)
