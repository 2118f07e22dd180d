// A request that is not answered: where the server is of another origin than the page, what it may lack is named.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { noAnswer } from '../../../src/storage/http/failures';

const none = new Headers({ range: 'bytes=0-1023' });
beforeEach(() => vi.stubGlobal('location', { origin: 'https://app.example' }));
afterEach(() => vi.unstubAllGlobals());

it('names the header that lets this page read the file', () => {
  const words = /Access-Control-Allow-Origin: https:\/\/app\.example \(or \*\)$/;
  expect(noAnswer('https://models.example/m.gguf', none)).toMatch(words);
});

it('names the header that allows what the page sends along', () => {
  const headers = new Headers({ range: 'bytes=0-1023', authorization: 'Bearer x' });
  const words = /and Access-Control-Allow-Headers: authorization$/;
  expect(noAnswer('https://models.example/m.gguf', headers)).toMatch(words);
});

it('speaks of no header where none is needed: on the own origin, and under Node', () => {
  expect(noAnswer('https://app.example/m.gguf', none)).toBe('the connection broke');
  vi.stubGlobal('location', undefined);
  expect(noAnswer('https://models.example/m.gguf', none)).toBe('the connection broke');
});
