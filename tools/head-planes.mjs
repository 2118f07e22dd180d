// `node tools/head-planes.mjs`: how many rows of an LM head would have to be read whole, had one read the high bits of all.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/head-planes.ts', argv.slice(2)));
