// `npm run isa -- --gpu navi31`: what a real GPU's compiler makes of every kernel, without that GPU.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/isa.ts', argv.slice(2), { gpu: false }));
