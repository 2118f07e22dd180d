// `node tools/reloads.mjs [--cycles N] [--what W] [--device D]`: what loading and disposing again and again leaves behind.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/reloads.ts', argv.slice(2)));
