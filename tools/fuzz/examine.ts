// Runs one case and judges it: a right result or a typed refusal, the same twice, within memory.

import { TernionError } from '../../src/errors';
import type { Category, PreparedCase } from './category';

/** What one case came to. */
export interface Examined {
  /** `read`, or the code of the refusal; `finding` if something is wrong. */
  outcome: string;
  /** What is wrong, in words; undefined if nothing is. */
  problem?: string;
  /** Seconds of the processor, all runs together. */
  cpuSeconds: number;
  /** Bytes that the heap and buffers of JavaScript had more after the case than before, garbage included. */
  heapGrowth: number;
}

/** The most bytes that the process may grow by in one case: several times what the largest allowed template makes. */
const MAX_GROWTH = 768 << 20;

/** Runs a prepared case. Never rejects: what it throws is a finding. */
export async function examine(category: Category, prepared: PreparedCase): Promise<Examined> {
  const cpuBefore = process.cpuUsage();
  const heapBefore = heapBytes();
  const peakBefore = peakBytes();
  let judged = await judge(category, prepared);
  const peakGrowth = peakBytes() - peakBefore;
  if (judged.problem === undefined && peakGrowth > MAX_GROWTH)
    judged = finding(`the process grew by ${peakGrowth} bytes; ${MAX_GROWTH} are the bound`);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    ...judged,
    cpuSeconds: (user + system) / 1e6,
    heapGrowth: Math.max(0, heapBytes() - heapBefore),
  };
}

type Judged = Pick<Examined, 'outcome' | 'problem'>;

async function judge(category: Category, prepared: PreparedCase): Promise<Judged> {
  const first = await attempt(category, prepared);
  if (category.once || first.problem !== undefined) return first;
  const second = await attempt(category, prepared);
  if (second.problem !== undefined) return second;
  const isSame = first.outcome === second.outcome && first.said === second.said;
  if (isSame || [first, second].some(({ said }) => category.varies?.(said))) return first;
  const shown = ({ outcome, said }: Attempt): string => `${outcome} (${said.slice(0, 500)})`;
  return finding(`read twice, it gave ${shown(first)} and then ${shown(second)}`);
}

interface Attempt extends Judged {
  /** What was read, or the message of the refusal. */
  said: string;
}

async function attempt({ codes }: Category, prepared: PreparedCase): Promise<Attempt> {
  try {
    return { outcome: 'read', said: await prepared.run() };
  } catch (error) {
    if (error instanceof TernionError && codes.includes(error.code))
      return { outcome: error.code, said: error.message };
    return { ...finding(describe(error)), said: '' };
  }
}

/** The judgement of a case in which something is wrong. */
export function finding(problem: string): Judged & { problem: string } {
  return { outcome: 'finding', problem };
}

/** An error in words, with its code, its stack and its cause. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return `what was thrown is no error: ${String(error)}`;
  const kind = error instanceof TernionError ? `the code ${error.code}, which is not expected here: ` : '';
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : '';
  return `${kind}${error.stack}${cause}`;
}

function heapBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}
