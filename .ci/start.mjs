// `npm start`: installs what is missing, serves the demo and prints its address. Arguments go to Vite (-- --port 8080).
import { argv, exit } from 'node:process';
import { ensureDependencies, requireNode, runInstalled } from './prepare.mjs';

requireNode();
await ensureDependencies();
const code = await runInstalled('vite/bin/vite.js', argv.slice(2));
// 130 and 143: stopped by Ctrl-C or by SIGTERM, as it should be.
exit(code === 130 || code === 143 ? 0 : code);
