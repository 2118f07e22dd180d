// How tokens and probabilities are written: what a token is of, how likely it was, and what cannot be seen of it.

import type { TokenLogprob } from '../src/index';

/** How likely a token was, in steps that can be told apart: 4 is as good as certain, 1 a surprise. */
export type Level = 1 | 2 | 3 | 4;

/** The least probability of each level, with what it is called. */
export const LEVELS: readonly { level: Level; least: number; label: string }[] = [
  { level: 4, least: 0.9, label: '90 % and more' },
  { level: 3, least: 0.5, label: '50 to 90 %' },
  { level: 2, least: 0.1, label: '10 to 50 %' },
  { level: 1, least: 0, label: 'less' },
];

export function levelOf(logprob: number): Level {
  const probability = Math.exp(logprob);
  return LEVELS.find(({ least }) => probability >= least)?.level ?? 1;
}

/** A probability from its natural logarithm: "83.2 %". What rounds to nothing is "under 0.1 %". */
export function formatProbability(logprob: number): string {
  const percent = Math.exp(logprob) * 100;
  if (percent < 0.1) return 'under 0.1 %';
  return `${percent >= 99.95 ? '100' : percent.toFixed(1)} %`;
}

/** The bytes of a token that is a part of a character, in hexadecimal; undefined for whole characters. */
export function formatBytesOf({ bytes }: TokenLogprob): string | undefined {
  return bytes?.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** The token for people who hear it, or see it alone: in quotes, with a name for what has no shape. */
export function nameOf(token: TokenLogprob): string {
  const bytes = formatBytesOf(token);
  if (bytes !== undefined) return `bytes ${bytes}`;
  if (token.text === '') return 'nothing';
  if (/^ +$/.test(token.text)) return token.text.length === 1 ? 'space' : `${token.text.length} spaces`;
  if (/^\n+$/.test(token.text))
    return token.text.length === 1 ? 'new line' : `${token.text.length} new lines`;
  return `“${token.text}”`;
}
