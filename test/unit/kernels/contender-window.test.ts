// How far below the best a logit still has to be exact for the token to be chosen as the int8 head would have it.
import { describe, expect, it } from 'vitest';
import { contenderWindow, LEFT_OUT } from '../../../src/kernels/lm-head-planes';

const PLAIN = { temperature: 1, topP: 1, minP: 0 };

describe('the window', () => {
  it('is nothing where the best is taken', () => {
    expect(contenderWindow(false, { ...PLAIN, temperature: 0 }, 1000)).toBe(0);
  });

  it('leaves out what has together no more than a thousandth of the best, whatever the temperature', () => {
    for (const temperature of [0.1, 1, 3]) {
      const window = contenderWindow(true, { ...PLAIN, temperature }, 128256);
      expect(128256 * Math.exp(-window / temperature)).toBeCloseTo(LEFT_OUT, 10);
    }
  });

  it('is that of min-p where that is narrower, but not with top-p, which adds up all', () => {
    const byMass = contenderWindow(true, PLAIN, 1000);
    const byMinP = contenderWindow(true, { ...PLAIN, minP: 0.05 }, 1000);
    expect(byMinP).toBeGreaterThan(-Math.log(0.05));
    expect(byMinP).toBeLessThan(-Math.log(0.05) + 0.01);
    expect(contenderWindow(true, { ...PLAIN, minP: 0.05, topP: 0.9 }, 1000)).toBe(byMass);
    expect(contenderWindow(true, { ...PLAIN, minP: 1e-30 }, 1000)).toBe(byMass);
  });
});
