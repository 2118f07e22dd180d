// How attention can be divided, and what of that others need to know: which splits of a context there are.

/** How one variant divides the work. */
export type AttentionVariant = WorkgroupAttention | LaneAttention;

/** Scores in workgroup memory: runs everywhere. */
export interface WorkgroupAttention {
  kind: 'workgroup';
  /** Threads of a workgroup. */
  threads: number;
  /** Positions whose scores are held at a time. */
  tile: number;
  /** Tokens of a prompt that a workgroup handles at once, so that it reads keys and values once for all of them. */
  tokens: number;
  /** Positions that one split of the context has, in decode; a multiple of `tile`. */
  split: number;
}

/** Scores in the registers of subgroups. */
export interface LaneAttention {
  kind: 'lanes';
  /** Lanes that share a head: a power of two, at most a subgroup, such that headDim is a multiple of 8·lanes. */
  lanes: number;
  /**
   * Keys, and then values, that a team waits for at once; divides `lanes`. In prefill it is one where a team handles several
   * tokens: what they compute takes as long as a load, and registers are few.
   */
  ahead: number;
  /** Such teams in a workgroup. */
  teams: number;
  /** Tokens of a prompt that a team handles at once, so that it reads keys and values once for all of them. */
  tokens: number;
  /** Positions that one split of the context has, in decode; a multiple of `lanes`. */
  split: number;
}

/** The splits of a context of `positions`; the buffers of partial results have room for a whole workgroup more. */
export function splitCount(variant: AttentionVariant, positions: number): number {
  return Math.ceil(positions / variant.split);
}

/** Workgroups that decode needs for a head and a context of `positions`. */
export function splitGroups(variant: AttentionVariant, positions: number): number {
  const splits = splitCount(variant, positions);
  return variant.kind === 'lanes' ? Math.ceil(splits / variant.teams) : splits;
}

/** Splits that partial results need room for when a context may have `positions`. */
export function attentionRoom(variant: AttentionVariant, positions: number): number {
  return splitGroups(variant, positions) * (variant.kind === 'lanes' ? variant.teams : 1);
}

/** Values that a thread waits for at once: where threads are many they are a GPU's, on which loads take long. */
export function valuesAhead({ threads }: WorkgroupAttention): number {
  return threads >= 32 ? 4 : 1;
}
