// A page that follows answers through grammars, in a grammar worker of its own.
import { startGrammarWorker } from '../../../src/api/grammar-worker';
import { TernionError } from '../../../src/errors';
import { ThreadedGrammars, type GrammarVocabulary } from '../../../src/grammar/service';

const END = 256;
/** Every byte is a token; the last one ends an answer. */
const bytes = [...Array.from({ length: END }, (_, byte) => Uint8Array.of(byte)), new Uint8Array()];
const VOCABULARY: GrammarVocabulary = { tokens: () => bytes, endIds: [END] };

const service = new ThreadedGrammars(() => startGrammarWorker(undefined));

Object.assign(globalThis, {
  /** What may come behind the first token that may come, and how many grammars were compiled by then. */
  async step(ebnf: string) {
    const state = await service.follow(VOCABULARY, { ebnf });
    const { mask } = await state.after([]);
    const first = Array.from({ length: END + 1 }, (_, id) => id).find(
      (id) => ((mask[id >> 5] ?? 0) >>> (id % 32)) & 1,
    );
    const { forced, ended } = await state.after(first === undefined ? [] : [first]);
    state.release();
    return { first, forced, ended, compiled: service.compiled };
  },
  refusal: (ebnf: string) =>
    service.follow(VOCABULARY, { ebnf }).then(
      () => undefined,
      (error: unknown) =>
        error instanceof TernionError ? { code: error.code, message: error.message } : String(error),
    ),
  /** Times in ms: to the first grammar with so many tokens, to the second, and of a step there and back (median of `steps`). */
  async times(tokens: number, steps: number) {
    const list = Array.from({ length: tokens }, (_, id) =>
      id < END ? Uint8Array.of(id) : new TextEncoder().encode(id.toString(36)),
    );
    const vocabulary = { tokens: () => list, endIds: [tokens - 1] };
    const own = new ThreadedGrammars(() => startGrammarWorker(undefined));
    const timed = async <T>(run: () => Promise<T>): Promise<[number, T]> => {
      const start = performance.now();
      const value = await run();
      return [performance.now() - start, value];
    };
    const ebnf = 'root ::= "[" [a-z0-9]* "]"';
    const [first] = await timed(() => own.follow(vocabulary, { ebnf }));
    const [again, state] = await timed(() => own.follow(vocabulary, { ebnf }));
    const answer = [91];
    const each: number[] = [];
    for (let i = 0; i < steps; i++) {
      each.push((await timed(() => state.after(answer)))[0]);
      answer.push(97);
    }
    own.dispose();
    return { first, again, step: each.sort((a, b) => a - b)[steps >> 1] };
  },
});
