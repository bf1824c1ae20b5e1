export { bucketsCard } from './buckets/card.ts';
export { type BucketOptions, type BucketParameters, bucketParameters } from './buckets/parameters.ts';
export { bucketMatches, rr22BucketsReceiver } from './buckets/receiver.ts';
export { rr22BucketsSender } from './buckets/sender.ts';
export { type BucketStore, memoryBucketStore } from './buckets/store.ts';
export { type Capacity, tagBytesFor } from './capacity.ts';
export { circuitCard } from './circuit/card.ts';
export {
  type CircuitPsiOptions,
  type CircuitPsiResult,
  circuitPsiReceiver,
  circuitPsiSender,
  type Matched,
  matchCount,
  type Program,
  payloadSum,
  type ResultShare,
} from './circuit/compute.ts';
export { type CircuitInput, circuitInput, rowsInSlots } from './circuit/input.ts';
export { checkCircuitMatch } from './circuit/parameters.ts';
export { digestKeys } from './digest-keys.ts';
export { ecdhCard } from './ecdh/card.ts';
export { type EvaluatedSet, evaluateSet, type SetUpdate, updateSet } from './ecdh/evaluated-set.ts';
export { type EvaluationCap, evaluationCap } from './ecdh/evaluation-cap.ts';
export { type EcdhKey, type EcdhOptions, ecdhKey, type KeyName } from './ecdh/parameters.ts';
export { type EcdhReceiverOptions, ecdhReceiver, type KeptTags, type TagCache } from './ecdh/receiver.ts';
export { type EcdhSenderOptions, type EcdhSource, ecdhSender } from './ecdh/sender.ts';
export {
  type Intersection,
  intersect,
  intersectionCard,
  intersectWithPayloads,
  type PayloadIntersection,
  payloadCard,
  type SetSizes,
} from './intersect.ts';
export { circuitCost, type IntersectionCost, intersectionCost } from './intersection-cost.ts';
export { type IntersectionRequest, type Intersector, intersector } from './intersector.ts';
export { joinInput } from './join/input.ts';
export { CONTRIBUTION_BYTES, joinKey } from './join/tags.ts';
export { npartyCard } from './nparty/card.ts';
export { npartyLeader } from './nparty/leader.ts';
export { type NpartyMemberOptions, npartyMember } from './nparty/member.ts';
export type { NpartyOptions } from './nparty/parameters.ts';
export { columnPayloads, payloadColumns, WORD_BYTES } from './payload-columns.ts';
export {
  rr22Card,
  rr22CardOf,
  rr22CompactCard,
  rr22MaliciousCard,
  rr22PayloadCard,
  rr22PayloadMaliciousCard,
} from './rr22/card.ts';
export {
  type PairSetup,
  type PairSetupOptions,
  type ReceiverSetup,
  rr22ReceiverSetup,
  rr22SenderSetup,
  type SenderSetup,
} from './rr22/pair-setup.ts';
export type { Rr22Options } from './rr22/parameters.ts';
export { type MatchedPayloads, rr22PayloadReceiver, rr22Receiver } from './rr22/receiver.ts';
export { rr22Sender } from './rr22/sender.ts';
