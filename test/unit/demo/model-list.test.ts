// Reading lists of models that the host of the demo has written, and what is remembered from one visit to the next.
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ConversationStore } from '../../../demo/history/conversation-store';
import { firstModel, lastModel, rememberModel } from '../../../demo/history/last-model';
import type * as ModelList from '../../../demo/gallery/model-list';

const ENTRY = { title: 'A model', goodAt: 'Things.', licence: 'MIT', source: 'model.gguf' };
const BASE = 'https://host.example/demo/models.json';

/** The list has the address of the built-in model, which is relative to a page. */
let list: typeof ModelList;
beforeAll(async () => {
  vi.stubGlobal('document', { baseURI: 'https://host.example/demo/' });
  list = await import('../../../demo/gallery/model-list');
});

describe('a list of models', () => {
  it('has addresses that are relative to it, and numbers that may be missing', () => {
    expect(list.readList([ENTRY, { ...ENTRY, source: 'hf:a/b/c.gguf', gpuBytes: 5 }], BASE)).toEqual([
      { ...ENTRY, source: 'https://host.example/demo/model.gguf' },
      { ...ENTRY, source: 'hf:a/b/c.gguf', gpuBytes: 5 },
    ]);
  });

  it('is refused with the entry and the field that is wrong', () => {
    expect(() => list.readList({}, BASE)).toThrow('no array');
    expect(() => list.readList([ENTRY, { ...ENTRY, title: 7 }], BASE)).toThrow("'title' of entry 2");
    expect(() => list.readList([{ ...ENTRY, gpuBytes: -1 }], BASE)).toThrow("'gpuBytes' of entry 1");
    expect(() => list.readList([null], BASE)).toThrow('entry 1');
  });

  it('is the one of the query, of the own origin only, or the one that the page names', () => {
    const page = (content?: string) => ({
      baseURI: 'https://host.example/demo/',
      querySelector: () => (content === undefined ? null : ({ getAttribute: () => content } as never)),
    });
    const address = (query: string, content?: string) =>
      list.listAddress(page(content), `https://host.example/demo/${query}`);
    expect(address('')).toBeUndefined();
    expect(address('', 'a.json')).toBe('https://host.example/demo/a.json');
    expect(address('?models=b.json', 'a.json')).toBe('https://host.example/demo/b.json');
    expect(() => address('?models=https://other.example/b.json')).toThrow('on another site');
  });
});

describe('what is remembered', () => {
  const storage = (): (() => Storage) => {
    const items = new Map<string, string>();
    const get = (key: string): string | null => items.get(key) ?? null;
    const set = (key: string, value: string): void => void items.set(key, value);
    return () => ({ getItem: get, setItem: set }) as Storage;
  };
  const refusing = (): Storage => {
    throw new DOMException('Access is denied', 'SecurityError');
  };

  it('is the address of the last model, not its files', () => {
    const here = storage();
    rememberModel({ name: 'A model', model: 'hf:a/b/c.gguf', sha256: '00' }, here);
    rememberModel({ name: 'A file', model: new File([], 'file.gguf') }, here);
    expect(lastModel(here)).toEqual({ name: 'A model', model: 'hf:a/b/c.gguf', sha256: '00' });
  });

  it('is nothing where the page may keep nothing, or what was kept is damaged', () => {
    expect(() => rememberModel({ name: 'A', model: 'hf:a/b/c.gguf' }, refusing)).not.toThrow();
    expect(lastModel(refusing)).toBeUndefined();
    expect(lastModel(() => ({ getItem: () => '{"name":7' }) as never)).toBeUndefined();
  });

  it('is what a visit begins with, if it is all here still, and else is offered', () => {
    const builtIn = { name: 'the built-in model', model: 'https://host.example/models/tiny.gguf' };
    const last = { name: 'A model', model: 'https://host.example/a.gguf' };
    const kept = (complete: boolean) => [{ url: last.model, complete }];
    expect(firstModel(last, kept(true), builtIn)).toEqual({ load: last });
    for (const gone of [[], kept(false)])
      expect(firstModel(last, gone, builtIn)).toEqual({ load: builtIn, offer: last });
    expect(firstModel(undefined, kept(true), builtIn)).toEqual({ load: builtIn });
    expect(firstModel(builtIn, [], builtIn)).toEqual({ load: builtIn });
    // An address that is none cannot be offered.
    expect(firstModel({ ...last, model: 'hf:' }, [], builtIn)).toEqual({ load: builtIn });
  });

  it('are no conversations where there is no database, or it refuses', async () => {
    const factory = { open: () => refusing() } as unknown as IDBFactory;
    for (const store of [new ConversationStore(undefined), new ConversationStore(factory)]) {
      await store.delete('1');
      expect(await store.all()).toEqual([]);
    }
  });
});
