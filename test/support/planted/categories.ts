// Kinds of input whose readers are right but for one case in some.
import { TernionError } from '../../../src/errors';
import { category, type Category } from '../../../tools/fuzz/category';

/** A reader of one byte. */
type Reader = (byte: number) => string;

/** What a reader does with the byte of a case; `bug` is what it does with those below `limit`. */
function reading(name: string, limit: number, bug: Reader): Category {
  return category<Uint8Array<ArrayBuffer>>({
    name,
    share: 1,
    codes: ['corrupt-file'],
    generate: (draw) => draw.bytes(1),
    async run([byte = 0]) {
      if (byte < limit) return bug(byte);
      if (byte < 100) throw new TernionError('corrupt-file', `The byte is ${byte}.`);
      return String(byte);
    },
    save: (bytes) => ({ 'input.bin': bytes }),
  });
}

function loop(): never {
  for (;;);
}

/** The categories: sound, and each with another bug. */
export function plantedCategories(): Category[] {
  let calls = 0;
  return [
    reading('sound', 0, String),
    reading('untyped', 8, () => String((undefined as unknown as string[])[0])),
    reading('unexpected', 8, () => {
      throw new TernionError('internal', 'This cannot be.');
    }),
    reading('changing', 8, () => String(calls++)),
    reading('unheard', 8, (byte) => {
      void Promise.reject(new Error(`nobody hears of ${byte}`));
      return String(byte);
    }),
    reading('exiting', 8, () => process.exit(7)),
    reading('looping', 8, loop),
  ];
}
