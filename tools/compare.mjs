// `node tools/compare.mjs`: what other engines for the browser weigh, and how fast one of them is beside Ternion.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/compare.ts', argv.slice(2), { gpu: false }));
