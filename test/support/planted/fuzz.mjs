// A fuzzer whose categories have bugs on purpose, so that it has something to find.
import { argv, exit } from 'node:process';
import { runBundled } from '../../../tools/bundled.mjs';

exit(await runBundled('test/support/planted/fuzz.ts', argv.slice(2), { gpu: false }));
