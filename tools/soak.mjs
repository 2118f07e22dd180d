// `npm run soak -- --hours 8`: the engine under everything that pages do to it, for hours.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/soak.ts', argv.slice(2)));
