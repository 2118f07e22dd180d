// How tokens and probabilities are written for readers.
import { describe, expect, test } from 'vitest';
import { formatProbability, levelOf, nameOf } from '../../../demo/token-text';

const token = (text: string, bytes?: number[]) => ({
  tokenId: 1,
  text,
  logprob: -1,
  ...(bytes && { bytes }),
});

describe('a probability', () => {
  test.each([
    [0, '100 %'],
    [Math.log(0.9994), '99.9 %'],
    [Math.log(0.832), '83.2 %'],
    [Math.log(0.001), '0.1 %'],
    [Math.log(0.0004), 'under 0.1 %'],
    [-Infinity, 'under 0.1 %'],
  ])('of e^%f is %s', (logprob, text) => {
    expect(formatProbability(logprob)).toBe(text);
  });

  test.each([
    [0.95, 4],
    [0.9, 4],
    [0.6, 3],
    [0.2, 2],
    [0.01, 1],
    [0, 1],
  ])('of %f is of level %i', (probability, level) => {
    expect(levelOf(Math.log(probability))).toBe(level);
  });
});

describe('a token', () => {
  test.each([
    [token(' fox'), '“ fox”'],
    [token('  '), '2 spaces'],
    [token('\n'), 'new line'],
    [token(''), 'nothing'],
    [token('\ufffd', [0xe3, 0x81]), 'bytes e3 81'],
  ])('%j is called %s', (given, name) => {
    expect(nameOf(given)).toBe(name);
  });
});
