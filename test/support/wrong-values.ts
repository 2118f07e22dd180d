// Values that callers may give by mistake, of every kind that there is: each is refused by name, or is right where it stands.

const throws = (): never => {
  throw new Error('This must not be looked at');
};

/** A Proxy that throws whatever is done with it. */
function hostile(target: object): object {
  const names = Object.getOwnPropertyNames(Reflect);
  return new Proxy(target, Object.fromEntries(names.map((name) => [name, throws])));
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function cyclic(): object {
  const object: Record<string, unknown> = { a: 1 };
  object['self'] = object;
  return object;
}

function cyclicList(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

/** Four numbers whose memory went to somebody else. */
function detached(): Uint8Array {
  const bytes = new Uint8Array(4);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

/** Makes each value anew: a stream is used up, and what is changed must not change for the next test. */
export const WRONG_VALUES = {
  null: () => null,
  true: () => true,
  NaN: () => NaN,
  Infinity: () => Infinity,
  '-1': () => -1,
  '0': () => 0,
  '1.5': () => 1.5,
  '1e300': () => 1e300,
  "''": () => '',
  "'1e3'": () => '1e3',
  BigInt: () => 5n,
  symbol: () => Symbol('x'),
  function: () => () => 'x',
  '{}': () => ({}),
  "{'': 1}": () => ({ '': 1 }),
  "{'1e3': 1}": () => ({ '1e3': 1 }),
  '{x: null}': () => ({ x: null }),
  '[]': () => [],
  '[null]': () => [null],
  "['']": () => [''],
  'a sparse list of 1e8': () => new Array<unknown>(1e8),
  '{length: 1e8}': () => ({ length: 1e8 }),
  '{length: -1}': () => ({ length: -1 }),
  Map: () => new Map([[0, 1]]),
  Set: () => new Set([1]),
  Date: () => new Date(0),
  RegExp: () => /x/,
  Promise: () => Promise.resolve('x'),
  Error: () => new Error('x'),
  'a boxed string': () => Object('x') as object,
  DataView: () => new DataView(new ArrayBuffer(4)),
  'a detached array': detached,
  'a detached buffer': () => detached().buffer,
  'an object in itself': cyclic,
  'a list in itself': cyclicList,
  'a throwing getter': () => Object.defineProperty({}, 'aborted', { get: throws, enumerable: true }),
  'a throwing toString': () => ({ toString: throws, [Symbol.toPrimitive]: throws }),
  'a hostile object': () => hostile({}),
  'a hostile list': () => hostile([]),
  'a hostile function': () => hostile(throws),
  'a revoked Proxy': revoked,
} satisfies Record<string, () => unknown>;

/** The name of one of these values. */
export type WrongValue = keyof typeof WRONG_VALUES;
