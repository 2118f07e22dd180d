// What becomes of answers when the thread for grammars does not do its part: it never answers, crashes, or is full.
import { describe, expect, it } from 'vitest';
import { ThreadedGrammars } from '../../../src/grammar/service';
import type { GrammarThread, StartGrammarThread } from '../../../src/grammar/thread-link';
import { expectFailure } from '../../support/expect-failure';
import { idsOf, inProcess, scripted, vocabularyOf } from '../../support/grammar-threads';

const END = 3;
const VOCABULARY = vocabularyOf(['a', 'b', 'ab', new Uint8Array()], [END]);
const EBNF = 'root ::= "ab" "b"';

/** Takes the vocabulary, and does `what` when a grammar comes. */
const onFollow = (what: string): string => `
  const reply = (message) => port.postMessage(message);
  port.on('message', ({ kind }) => {
    if (kind === 'vocabulary') reply({ value: undefined });
    if (kind === 'follow') { ${what} }
  });`;

/** These threads, one after the other, and then real ones. The service has a second for each request. */
function startingWith(...scripts: string[]): ThreadedGrammars {
  const start: StartGrammarThread = async () => {
    const script = scripts.shift();
    return script === undefined ? inProcess() : scripted(script);
  };
  return new ThreadedGrammars(start, { limitMs: 1000 });
}

async function expectUsable(service: ThreadedGrammars): Promise<void> {
  const state = await service.follow(VOCABULARY, { ebnf: EBNF });
  expect(idsOf((await state.after([])).mask)).toEqual([0, 2]);
  service.dispose();
}

describe('a thread', () => {
  it('that takes too long with a grammar is ended, and another one takes the next', async () => {
    const service = startingWith(onFollow('for (;;);'));
    await expectFailure(
      service.follow(VOCABULARY, { ebnf: EBNF }),
      'unsupported-feature',
      /more than 1 s to compile/,
    );
    await expectUsable(service);
    expect(service.threads).toBe(2);
  });

  it('that crashes fails what is asked of it, and another one takes the next', async () => {
    const service = startingWith(onFollow("throw new Error('gone');"));
    await expectFailure(service.follow(VOCABULARY, { ebnf: EBNF }), 'worker-lost', /has ended/);
    await expectUsable(service);
  });

  it('that is silent from its beginning does not keep a signal waiting', async () => {
    const service = startingWith('');
    const control = new AbortController();
    const waiting = service.follow(VOCABULARY, { ebnf: EBNF }, control.signal);
    control.abort();
    await expectFailure(waiting, 'aborted');
    service.dispose();
  });

  it('that cannot be started fails only what was asked, in its own words', async () => {
    let tries = 0;
    const service = new ThreadedGrammars(() =>
      tries++ === 0 ? Promise.reject(new Error('no thread')) : inProcess(),
    );
    await expect(service.follow(VOCABULARY, { ebnf: EBNF })).rejects.toThrow('no thread');
    await expectUsable(service);
  });
});

describe('an answer under way', () => {
  it('goes on in the next thread when its own is gone', async () => {
    const threads: GrammarThread[] = [];
    const lost = new AbortController();
    const service = new ThreadedGrammars(async () => {
      const thread = { ...(await inProcess()), lost: lost.signal };
      threads.push(thread);
      return thread;
    });
    const state = await service.follow(VOCABULARY, { ebnf: EBNF });
    await state.after([0]);
    lost.abort();
    expect(idsOf((await state.after([0, 1])).mask)).toEqual([1]);
    expect([threads.length, service.compiled]).toEqual([2, 2]);
    service.dispose();
  });

  it('is done with when the service is', async () => {
    const service = new ThreadedGrammars(inProcess);
    const state = await service.follow(VOCABULARY, { ebnf: EBNF });
    service.dispose();
    await expectFailure(state.after([]), 'disposed');
    await expectFailure(service.follow(VOCABULARY, { ebnf: EBNF }), 'disposed');
  });
});

describe('a grammar for which there is no room', () => {
  /** What a host says when its memory is full. */
  const full = onFollow(
    "reply({ failure: { code: 'unsupported-feature', message: 'full', outOfRoom: true, fatal: true } });",
  );

  it('beside others is compiled in a thread of its own', async () => {
    const once = `let follows = 0; ${onFollow(
      "if (follows++ === 0) reply({ value: { compiled: true } }); else reply({ failure: { code: 'unsupported-feature', message: 'full', outOfRoom: true, fatal: true } });",
    )}`;
    const service = startingWith(once);
    await service.follow(VOCABULARY, { ebnf: 'root ::= "a"' });
    const state = await service.follow(VOCABULARY, { ebnf: EBNF });
    expect(idsOf((await state.after([])).mask)).toEqual([0, 2]);
    expect(service.threads).toBe(2);
    service.dispose();
  });

  it('by itself is refused', async () => {
    const service = startingWith(full);
    await expectFailure(service.follow(VOCABULARY, { ebnf: EBNF }), 'unsupported-feature', 'full');
    await expectUsable(service);
  });
});
