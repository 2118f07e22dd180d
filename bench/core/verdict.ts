// What a report says in words: how near a model comes to what its adapter can do.

import { digits, giga, percent } from './numbers';
import type { ModelReport, Speed } from './report';

/** Shares of a limit from which on it is near, and below which it is not what holds a model up. */
const NEAR = 0.7;
const FAR = 0.4;

/** Which of its two limits an adapter comes nearer to, and how near. */
export interface Share {
  of: 'bytes' | 'dots';
  /** What is reached over what can be: 1 is the limit, or more where the limit was measured too low. */
  share: number;
  /** What is reached and what can be, a second: bytes or multiply-adds. */
  reached: number;
  ceiling: number;
}

/** How near `speed` comes to the limits of the model's adapter. */
export function shareOf({ step, ceilings }: ModelReport, speed: Speed): Share {
  const share = speed.efficiencyOfBest;
  const read = step.bytes / (speed.time.best / 1000) / ceilings.bytesPerSecond;
  // The share is that of the limit which is nearer; times have been rounded nowhere in between, but sums have.
  const isReading = read >= share * (1 - 1e-9);
  const best = Math.max(ceilings.multiplyAddsPerSecond, ceilings.pairsPerSecond);
  const ceiling = isReading ? ceilings.bytesPerSecond : best;
  return { of: isReading ? 'bytes' : 'dots', share, ceiling, reached: share * ceiling };
}

/** The speed of decoding at the least context that was measured. */
export function decodeSpeed({ decode }: ModelReport): Speed | undefined {
  return decode.find((each): each is Speed => !('skipped' in each));
}

/** That of the longest prompt that was measured. */
export function prefillSpeed({ prefill }: ModelReport): Speed | undefined {
  return prefill.findLast((each): each is Speed => !('skipped' in each));
}

/** A few sentences on a model's speed, the one that matters most first. */
export function verdictOf(model: ModelReport): string[] {
  const [decode, prefill] = [decodeSpeed(model), prefillSpeed(model)];
  return [
    ...(decode ? [inWords('Decode', shareOf(model, decode), decode), roomFor(decode)] : []),
    ...(prefill ? [inWords('A prompt', shareOf(model, prefill), prefill)] : []),
    ...(decode ? [overhead(model, decode)] : []),
  ];
}

/** `Decode reads 71 % of what this adapter can read: 43 of 61 GB/s, 81 tokens/s.` */
function inWords(what: string, { of, share, reached, ceiling }: Share, speed: Speed): string {
  const unit = of === 'bytes' ? 'GB/s' : 'G multiply-adds/s';
  const can = of === 'bytes' ? 'reads' : 'multiplies';
  return (
    `${what} ${can} ${percent(share)} of what this adapter can ${of === 'bytes' ? 'read' : 'multiply'}: ` +
    `${giga(reached)} of ${giga(ceiling)} ${unit}, ${digits(speed.tokensPerSecond)} tokens/s.`
  );
}

/** What the share of decoding means. */
function roomFor({ efficiencyOfBest: share }: Speed): string {
  if (share > 1) return 'That is more than the limit, which was measured too low: run it again.';
  const allows = `the limit, which allows ${digits(1 / share)} times as much`;
  if (share >= NEAR) return `That is near ${allows}.`;
  if (share >= FAR) return `There is some way to ${allows}.`;
  return `That is far from ${allows}: most of the time is spent waiting, in dispatches and between them.`;
}

function overhead({ dispatches, step, cpu }: ModelReport, { time }: Speed): string {
  const rounds =
    step.rounds === undefined ? '' : `, which wait for memory ${step.rounds} times one after the other`;
  return (
    `A step is ${dispatches.decode} dispatches${rounds}; to encode and to submit it takes ` +
    `${digits(cpu.encode.median + cpu.submit.median)} of its ${digits(time.best)} ms on the CPU.`
  );
}
