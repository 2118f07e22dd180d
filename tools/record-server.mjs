// `node tools/record-server.mjs URL GROUP`: what a server answers to `ternion/connect`, for the tests.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/record-server.ts', argv.slice(2), { gpu: false }));
