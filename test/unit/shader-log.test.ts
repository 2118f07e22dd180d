// What is shown of a shader's text: all of it on request, and the lines around an error.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { quoteLines, shaderLog } from '../../src/gpu/shader-log';

describe('the log of shaders', () => {
  afterEach(() => vi.restoreAllMocks());

  test('is there for those who ask for it, among others or with all of Ternion', () => {
    for (const wanted of ['ternion:wgsl', 'vite:*, ternion:wgsl', 'ternion:*', '*'])
      expect(shaderLog(wanted), wanted).toBeDefined();
    for (const other of ['', 'ternion', 'wgsl', 'vite:*']) expect(shaderLog(other), other).toBeUndefined();
  });

  test('writes the text under a line that says which variant it is', () => {
    const lines = vi.spyOn(console, 'debug').mockImplementation(() => {});
    shaderLog('ternion:wgsl')?.('embed', 'fn main() {}', {
      constants: { DIM: 8 },
      conditions: { wide: true, partial: false },
    });
    expect(lines.mock.calls).toEqual([['// embed.wgsl {"DIM":8} wide\nfn main() {}']]);
  });
});

describe('a message of a compiler', () => {
  const code = ['one', 'two', 'three', 'four', 'five', 'six'].join('\n');

  test('comes with the lines around the one that it is about, marked', () => {
    expect(quoteLines(code, { lineNum: 4, message: 'wrong' })).toBe(
      [
        'line 4: wrong',
        '     2 | two',
        '     3 | three',
        '>    4 | four',
        '     5 | five',
        '     6 | six',
      ].join('\n'),
    );
  });

  test('ends where the shader does, and is alone where it names no line', () => {
    expect(quoteLines(code, { lineNum: 1, message: 'wrong' }).split('\n')).toHaveLength(4);
    expect(quoteLines(code, { lineNum: 6, message: 'wrong' }).split('\n')).toHaveLength(4);
    expect(quoteLines(code, { lineNum: 0, message: 'wrong' })).toBe('wrong');
  });
});
